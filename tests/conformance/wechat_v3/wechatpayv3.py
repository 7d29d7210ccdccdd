"""wechatpayv3, with platform certificates and with the public key, on the other side."""

import json
import time
import uuid
from base64 import b64encode

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from kit import EVERY, GROUND, callbacks, check, control, deeds, key, post, settled, version
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.core import Core
from wechatpayv3.utils import load_private_key, rsa_sign, rsa_verify

PUBLIC_KEY_MODE = "wechat-pubkey-sandbox"
DESCRIPTION = "A pot of tea 一壶茶"
OPENID = "oTest-payer-openid-0000001"
H5 = {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}}
PRODUCTS = {
    "/v3/pay/transactions/native": (WeChatPayType.NATIVE, {}, "code_url"),
    "/v3/pay/transactions/jsapi": (WeChatPayType.JSAPI, {"payer": {"openid": OPENID}}, "prepay_id"),
    "/v3/pay/transactions/h5": (WeChatPayType.H5, {"scene_info": H5}, "h5_url"),
    "/v3/pay/transactions/app": (WeChatPayType.APP, {}, "prepay_id"),
}

# The SDK has the gateway's address built in.
Core._gate_way = property(lambda _: GROUND["sandbox"], lambda *_: None)


def opened(code):
    """The SDK as the merchant's. Without a public key it downloads the certificates at once."""
    settings, secrets = GROUND["accounts"][code]["settings"], GROUND["accounts"][code]["secrets"]
    public = {}
    if code == PUBLIC_KEY_MODE:
        (only,) = settings["public_keys"]
        public = {"public_key": only["pem"], "public_key_id": only["id"]}
    return WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=settings["mchid"],
        private_key=secrets["merchant_private_key"],
        cert_serial_no=settings["merchant_serial_no"],
        appid=settings["appid"],
        apiv3_key=secrets["apiv3_key"],
        notify_url=GROUND["sink"],
        **public,
    )


SDKS = {code: opened(code) for code in GROUND["accounts"]}


def answered(result, expected=200):
    """A call's answer; the SDK has verified its signature."""
    status, text = result
    assert status == expected, result
    return json.loads(text) if text else None


def new_number():
    return "W" + uuid.uuid4().hex[:30]


def placed(sdk, product="/v3/pay/transactions/native"):
    number = new_number()
    kind, more, wanted = PRODUCTS[product]
    amount = {"total": 1234, "currency": "CNY"}
    result = sdk.pay(DESCRIPTION, number, amount, notify_url=GROUND["sink"], pay_type=kind, **more)
    assert answered(result)[wanted]
    return number


def paid(sdk):
    number = placed(sdk)
    control(f"orders/{number}/pay")
    return number


def refunded(sdk, order):
    number = new_number()
    amount = {"refund": 34, "total": 1234, "currency": "CNY"}
    refund = answered(sdk.refund(number, amount, out_trade_no=order, notify_url=GROUND["sink"]))
    assert refund["status"] == "PROCESSING" and refund["out_refund_no"] == number, refund
    return refund


def drives():
    for product in PRODUCTS:
        with check(product, "place", "drives"):
            for sdk in SDKS.values():
                placed(sdk, product)
    with check(EVERY, "query", "drives"):
        for sdk in SDKS.values():
            order = answered(sdk.query(out_trade_no=paid(sdk)))
            assert order["trade_state"] == "SUCCESS" and order["amount"]["total"] == 1234, order
    with check(EVERY, "close", "drives"):
        for sdk in SDKS.values():
            number = placed(sdk)
            assert sdk.close(number)[0] == 204
            assert answered(sdk.query(out_trade_no=number))["trade_state"] == "CLOSED"
    with check(EVERY, "refund", "drives"):
        for sdk in SDKS.values():
            refunded(sdk, paid(sdk))
    with check(EVERY, "query_refund", "drives"):
        for sdk in SDKS.values():
            number = refunded(sdk, paid(sdk))["out_refund_no"]
            control(f"refunds/{number}/settle", {"outcome": "success"})
            refund = answered(sdk.query_refund(number))
            assert refund["status"] == "SUCCESS" and refund["amount"]["refund"] == 34, refund
    with check(EVERY, "refund_to_merchant", "drives"):
        for sdk in SDKS.values():
            refund = refunded(sdk, paid(sdk))
            number = refund["out_refund_no"]
            control(f"refunds/{number}/settle", {"outcome": "abnormal"})
            answered(sdk.abnormal_refund(refund["refund_id"], number, "MERCHANT_BANK_CARD"))


def authorization_of(call):
    headers = dict(call["headers"])
    scheme, _, pairs = headers["authorization"].partition(" ")
    assert scheme == "WECHATPAY2-SHA256-RSA2048", scheme
    return {name: value.strip('"') for name, _, value in (pair.partition("=") for pair in pairs.split(","))}


def verifies_request(sdk, settings, call, body):
    given = authorization_of(call)
    assert given["mchid"] == settings["mchid"] and given["serial_no"] == settings["merchant_serial_no"], given
    # The SDK joins three parts for answers; a request has verb and target before them.
    head = f"{call['method']}\n{call['target']}\n{given['timestamp']}"
    public = sdk._core._private_key.public_key()
    return rsa_verify(head, given["nonce_str"], body, given["signature"], public)


def is_invoked_rightly(sdk, prepay):
    """The signature of the client's parameters is the one that the SDK makes."""
    if prepay["kind"] == "jsapi":
        parts = [prepay["app_id"], prepay["time_stamp"], prepay["nonce_str"], prepay["package"]]
        return prepay["pay_sign"] == sdk.sign(parts)
    if prepay["kind"] == "wechat_app":
        parts = [prepay["app_id"], prepay["time_stamp"], prepay["nonce_str"], prepay["prepay_id"]]
        return prepay["sign"] == sdk.sign(parts)
    return prepay["kind"] in ("qr_code", "redirect")


def judges():
    operations = [(deed["product"], deed["operation"]) for deed in GROUND["deeds"]]
    for product, operation in dict.fromkeys(operations):
        with check(product, operation, "judges"):
            for deed in deeds(operation):
                if deed["product"] != product:
                    continue
                sdk, settings = SDKS[deed["account"]], GROUND["accounts"][deed["account"]]["settings"]
                call, *asked = deed["calls"]
                # A reversal is followed by a question.
                assert [it["method"] for it in asked] == ["GET"] * (operation == "cancel"), asked
                assert verifies_request(sdk, settings, call, call["body"])
                assert not verifies_request(sdk, settings, call, call["body"] + " ")
                if operation == "place" and deed["prepay"]:
                    assert is_invoked_rightly(sdk, deed["prepay"]), deed["prepay"]


def reads():
    with check(EVERY, "payment_callback", "reads"):
        for sdk in SDKS.values():
            number = paid(sdk)
            (callback,) = callbacks(number)
            read = sdk.callback(dict(callback["headers"]), callback["body"])
            assert read["event_type"] == "TRANSACTION.SUCCESS", read
            assert read["resource"]["out_trade_no"] == number and read["resource"]["amount"]["total"] == 1234
            assert not sdk.callback(dict(callback["headers"]), callback["body"] + " ")
    with check(EVERY, "refund_callback", "reads"):
        for sdk in SDKS.values():
            order = paid(sdk)
            number = refunded(sdk, order)["out_refund_no"]
            control(f"refunds/{number}/settle", {"outcome": "success"})
            told = [sdk.callback(dict(callback["headers"]), callback["body"]) for callback in callbacks(order)]
            (read,) = [read for read in told if read["event_type"] == "REFUND.SUCCESS"]
            assert read["resource"]["out_refund_no"] == number and read["resource"]["amount"]["refund"] == 34


def notification(payment, account):
    """Headers and body as WeChat Pay posts them, sealed and signed."""
    settings = account["settings"]
    transaction = {
        "appid": settings["appid"],
        "mchid": settings["mchid"],
        "out_trade_no": payment["number"],
        "transaction_id": "42000000" + str(time.time_ns())[:20],
        "trade_type": "NATIVE",
        "trade_state": "SUCCESS",
        "bank_type": "OTHERS",
        "success_time": "2026-01-01T08:00:04+08:00",
        "payer": {"openid": OPENID},
        "amount": {"total": 1234, "payer_total": 1234, "currency": "CNY", "payer_currency": "CNY"},
    }
    plaintext = json.dumps(transaction).encode()
    sealed = AESGCM(account["secrets"]["apiv3_key"].encode()).encrypt(b"0123456789ab", plaintext, b"transaction")
    resource = {
        "original_type": "transaction",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": b64encode(sealed).decode(),
        "associated_data": "transaction",
        "nonce": "0123456789ab",
    }
    body = {
        "id": str(uuid.uuid4()),
        "create_time": "2026-01-01T08:00:05+08:00",
        "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
        "resource": resource,
    }
    body = json.dumps(body, ensure_ascii=False)
    return signature_headers(settings, body), body


def signature_headers(settings, body):
    if settings["public_keys"]:
        serial, private = settings["public_keys"][0]["id"], key("wechat_public_key.key")
    else:
        serial, private = settings["platform_certificates"][0]["serial"], key("wechat_platform_1.key")
    stamp, nonce = str(int(time.time())), uuid.uuid4().hex
    return {
        "content-type": "application/json",
        "Wechatpay-Serial": serial,
        "Wechatpay-Timestamp": stamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": rsa_sign(load_private_key(private), f"{stamp}\n{nonce}\n{body}\n"),
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def signs():
    with check(EVERY, "payment_callback", "signs"):
        for payment in GROUND["payments"]:
            headers, body = notification(payment, GROUND["accounts"][payment["account"]])
            assert post(payment["callback_url"], body.replace("支付", "退款"), headers)[0] == 401
            control(f"orders/{payment['number']}/pay", sandbox=GROUND["kassa_sandbox"])
            assert post(payment["callback_url"], body, headers) == (204, "")
            settled(payment)


version("wechatpayv3")
drives()
judges()
reads()
signs()
