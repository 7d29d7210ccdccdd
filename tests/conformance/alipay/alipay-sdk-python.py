"""alipay-sdk-python, Alipay's own, on the other side. It knows public-key mode only."""

import json
import uuid
from base64 import b64encode
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.request.AlipayTradeAppPayRequest import AlipayTradeAppPayRequest
from alipay.aop.api.request.AlipayTradeCloseRequest import AlipayTradeCloseRequest
from alipay.aop.api.request.AlipayTradeCreateRequest import AlipayTradeCreateRequest
from alipay.aop.api.request.AlipayTradeFastpayRefundQueryRequest import AlipayTradeFastpayRefundQueryRequest
from alipay.aop.api.request.AlipayTradePagePayRequest import AlipayTradePagePayRequest
from alipay.aop.api.request.AlipayTradePrecreateRequest import AlipayTradePrecreateRequest
from alipay.aop.api.request.AlipayTradeQueryRequest import AlipayTradeQueryRequest
from alipay.aop.api.request.AlipayTradeRefundRequest import AlipayTradeRefundRequest
from alipay.aop.api.request.AlipayTradeWapPayRequest import AlipayTradeWapPayRequest
from alipay.aop.api.util import WebUtils
from alipay.aop.api.util.SignatureUtils import get_sign_content, sign_with_rsa2, verify_with_rsa
from kit import EVERY, GROUND, callbacks, check, control, deeds, form, key, post, refuses, request, settled, version
from pyasn1.codec.der import decoder, encoder
from pyasn1.type import univ
from rsa import PrivateKey, PublicKey
from rsa.pem import load_pem
from alipay_words import BUYER_ID, PUBLIC_KEY_MODE, SUBJECT, paid_notification, params_of

ACCOUNT = GROUND["accounts"][PUBLIC_KEY_MODE]
SETTINGS = ACCOUNT["settings"]
PRODUCTS = {
    "alipay.trade.page.pay": (AlipayTradePagePayRequest, "FAST_INSTANT_TRADE_PAY"),
    "alipay.trade.wap.pay": (AlipayTradeWapPayRequest, "QUICK_WAP_WAY"),
    "alipay.trade.app.pay": (AlipayTradeAppPayRequest, "QUICK_MSECURITY_PAY"),
}


def one_line(pem):
    return "".join(line for line in pem.splitlines() if "-----" not in line)


def private_key(pem):
    """The key in PKCS#8; the SDK wants one line of PKCS#1."""
    info, _ = decoder.decode(load_pem(pem, "PRIVATE KEY"))
    return PrivateKey.load_pkcs1(bytes(info[2]), format="DER")


def pkcs1_line(private):
    return one_line(private.save_pkcs1().decode())


def spki_line(private):
    """The public half, as the merchant uploads it."""
    algorithm = univ.Sequence()
    algorithm[0] = univ.ObjectIdentifier("1.2.840.113549.1.1.1")
    algorithm[1] = univ.Null("")
    spki = univ.Sequence()
    spki[0] = algorithm
    public = PublicKey(private.n, private.e).save_pkcs1("DER")
    spki[1] = univ.BitString.fromOctetString(public)
    return b64encode(encoder.encode(spki)).decode()


def connection(url, query, timeout):
    """The SDK's own adds a number to a text where the address has a port."""
    return f"{url}?{query}", HTTPConnection(urlsplit(url).netloc, timeout=timeout)


WebUtils.get_http_connection = connection
APP_KEY = private_key(ACCOUNT["secrets"]["app_private_key"])
ALIPAY_KEY = one_line(SETTINGS["alipay_public_keys"][0])
PLATFORM_KEY = pkcs1_line(private_key(key("alipay_platform.key")))


def client():
    config = AlipayClientConfig()
    config.server_url = SETTINGS["gateway_url"]
    config.app_id = SETTINGS["app_id"]
    config.app_private_key = pkcs1_line(APP_KEY)
    config.alipay_public_key = ALIPAY_KEY
    return DefaultAlipayClient(config)


CLIENT = client()


def new_number():
    return "O" + uuid.uuid4().hex


def filled(kind, content):
    made = kind()
    made.biz_content = content
    return made


def execute(kind, content):
    """One call; the SDK has verified the answer when it gives it."""
    made = filled(kind, content)
    if kind in (AlipayTradePrecreateRequest, AlipayTradeCreateRequest):
        made.notify_url = GROUND["sink"]
    answer = json.loads(CLIENT.execute(made))
    assert answer["code"] == "10000", answer
    return answer


def order(number, product_code):
    return {"out_trade_no": number, "total_amount": "12.34", "subject": SUBJECT, "product_code": product_code}


def placed():
    number = new_number()
    assert execute(AlipayTradePrecreateRequest, order(number, "QR_CODE_OFFLINE"))["qr_code"]
    return number


def paid():
    number = placed()
    control(f"orders/{number}/pay")
    return number


def drives():
    with check("alipay.trade.precreate", "place", "drives"):
        placed()
    with check("alipay.trade.create", "place", "drives"):
        content = order(new_number(), "JSAPI_PAY") | {"op_app_id": SETTINGS["app_id"]}
        trade_no = execute(AlipayTradeCreateRequest, content | {"buyer_id": BUYER_ID})["trade_no"]
        control(f"orders/{trade_no}/pay")
        assert execute(AlipayTradeQueryRequest, {"trade_no": trade_no})["buyer_user_id"] == BUYER_ID
        assert refuses(execute, AlipayTradeCreateRequest, content | {"out_trade_no": new_number()})
    for product, (kind, code) in PRODUCTS.items():
        with check(product, "place", "drives"):
            number = new_number()
            made = filled(kind, order(number, code))
            if product == "alipay.trade.app.pay":
                signed = CLIENT.sdk_execute(made)
                signed = f"{SETTINGS['gateway_url']}?{signed}"
            else:
                signed = CLIENT.page_execute(made, http_method="GET")
            assert control("alipay/present", {"request": signed}) == {"out_trade_no": number}
            assert refuses(control, "alipay/present", {"request": signed.replace("12.34", "12.35")})
    with check(EVERY, "query", "drives"):
        answer = execute(AlipayTradeQueryRequest, {"out_trade_no": paid()})
        assert answer["trade_status"] == "TRADE_SUCCESS" and answer["total_amount"] == "12.34", answer
    with check(EVERY, "refund", "drives"):
        content = {"out_trade_no": paid(), "refund_amount": "0.34", "out_request_no": new_number()}
        assert execute(AlipayTradeRefundRequest, content)["fund_change"] == "Y"
    with check(EVERY, "query_refund", "drives"):
        number, refund = paid(), new_number()
        content = {"out_trade_no": number, "refund_amount": "0.34", "out_request_no": refund}
        execute(AlipayTradeRefundRequest, content)
        content = {"out_trade_no": number, "out_request_no": refund}
        assert execute(AlipayTradeFastpayRefundQueryRequest, content)["refund_status"] == "REFUND_SUCCESS"
    with check(EVERY, "close", "drives"):
        number = placed()
        request("GET", f"{GROUND['sandbox']}/payer/alipay/{number}")
        execute(AlipayTradeCloseRequest, {"out_trade_no": number})


def judges():
    public = spki_line(APP_KEY)
    operations = [(deed["product"], deed["operation"]) for deed in GROUND["deeds"]]
    for product, operation in dict.fromkeys(operations):
        with check(product, operation, "judges"):
            (deed,) = [deed for deed in deeds(operation, PUBLIC_KEY_MODE) if deed["product"] == product]
            params = params_of(deed)
            sign = params.pop("sign")
            assert verify_with_rsa(public, get_sign_content(params).encode(), sign)
            altered = params | {"app_id": "2021000000000009"}
            assert refuses(verify_with_rsa, public, get_sign_content(altered).encode(), sign)


def reads():
    with check(EVERY, "payment_callback", "reads"):
        (callback,) = callbacks(paid())
        fields = form(callback["body"])
        sign, _ = fields.pop("sign"), fields.pop("sign_type")
        assert verify_with_rsa(ALIPAY_KEY, get_sign_content(fields).encode(), sign)
        altered = fields | {"total_amount": "0.01"}
        assert refuses(verify_with_rsa, ALIPAY_KEY, get_sign_content(altered).encode(), sign)


def signs():
    (payment,) = [payment for payment in GROUND["payments"] if payment["account"] == PUBLIC_KEY_MODE]
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    with check(EVERY, "payment_callback", "signs"):
        fields = paid_notification(payment, SETTINGS)
        sign = sign_with_rsa2(PLATFORM_KEY, get_sign_content(fields), "utf-8")
        fields |= {"sign_type": "RSA2", "sign": sign}
        altered = urlencode(fields | {"out_trade_no": "0" * 32})
        assert post(payment["callback_url"], altered, headers)[1] != "success"
        control(f"orders/{payment['number']}/pay", sandbox=GROUND["kassa_sandbox"])
        assert post(payment["callback_url"], urlencode(fields), headers) == (200, "success")
        settled(payment)


version("alipay-sdk-python")
drives()
judges()
reads()
signs()
