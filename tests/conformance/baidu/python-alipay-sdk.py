"""python-alipay-sdk: Baidu's signatures are made as Alipay's older ones, RSA with SHA-1. It makes and takes those of the
vectors, of our adapter, our simulator and our ingress. Baidu's other calls are not signed."""

import json
import time
import uuid
from urllib.parse import parse_qsl, urlencode

from alipay import AliPay
from Cryptodome.PublicKey import RSA
from kit import EVERY, GROUND, callbacks, check, control, deeds, form, key, post, refuses, settled, vectors, version

VECTORS = vectors()
KEYS = VECTORS["keys"]
SDK = AliPay(
    appid="-",
    app_private_key_string=KEYS["merchant_private_key_pkcs8_pem"],
    alipay_public_key_string=KEYS["platform_public_key_pem"],
    sign_type="RSA",
)
# Signed without its empty field, which the package keeps; the documents say both.
DROPS_EMPTY = "pay_empty_dropped"


def signs_alike():
    with check("swan.requestPolymerPayment", "place", "agrees"):
        examples = [example for example in VECTORS["signing"] if example["name"].startswith("orderinfo")]
        assert examples
        for example in examples:
            pairs = SDK._ordered_data(dict(example["params"]))
            content = "&".join(f"{name}={value}" for name, value in pairs)
            assert content == example["string_to_sign"], example["name"]
            assert SDK._sign(content) == example["expected_rsaSign"], example["name"]


def reads_alike():
    for operation, start in (("payment_callback", "pay"), ("refund_callback", "refund")):
        with check(EVERY, operation, "agrees"):
            examples = [example for example in VECTORS["notifications"] if example["name"].startswith(start)]
            assert any(example["valid"] for example in examples)
            for example in examples:
                if example["name"] == DROPS_EMPTY:
                    continue
                fields = dict(parse_qsl(example["raw_body"], keep_blank_values=True))
                sign = fields.pop("rsaSign")
                assert SDK.verify(dict(fields), sign) == example["valid"], example["name"]
                assert not SDK.verify(fields | {"orderId": "1"}, sign)


(ACCOUNT,) = GROUND["accounts"].values()
SETTINGS, SECRETS = ACCOUNT["settings"], ACCOUNT["secrets"]
PRODUCT = "swan.requestPolymerPayment"
# The simulator signs with one of its keys for several gateways.
PLATFORM_KEY = "wechat_public_key.key"


def public_half(private):
    return RSA.import_key(private).public_key().export_key().decode()


# The SDK as the merchant's, and in Baidu's place.
MERCHANT = AliPay(
    appid="-",
    app_private_key_string=SECRETS["merchant_private_key"],
    alipay_public_key_string=SETTINGS["platform_public_keys"][0],
    sign_type="RSA",
)
PLATFORM = AliPay(
    appid="-",
    app_private_key_string=key(PLATFORM_KEY),
    alipay_public_key_string=public_half(SECRETS["merchant_private_key"]),
    sign_type="RSA",
)


def sign(sdk, params):
    return sdk._sign("&".join(f"{name}={value}" for name, value in sdk._ordered_data(dict(params))))


def presented(number, total="1234"):
    """What a smart program hands to the cashier, which opens the order there."""
    signed = {
        "appKey": SETTINGS["app_key"],
        "dealId": SETTINGS["deal_id"],
        "totalAmount": total,
        "tpOrderId": number,
    }
    rsa_sign = sign(MERCHANT, signed)
    biz_info = {"tpData": signed | {"rsaSign": rsa_sign, "returnData": {}, "displayData": {"cashierTopBlock": [[]]}}}
    return signed | {
        "dealTitle": "A pot of tea 一壶茶",
        "signFieldsRange": "1",
        "rsaSign": rsa_sign,
        "bizInfo": json.dumps(biz_info, ensure_ascii=False),
        "notifyUrl": GROUND["sink"],
    }


def paid():
    number = uuid.uuid4().hex
    assert control("baidu/present", presented(number)) == {"out_trade_no": number}
    control(f"orders/{number}/pay")
    return number


def drives():
    with check(PRODUCT, "place", "drives"):
        paid()
        altered = presented(uuid.uuid4().hex) | {"totalAmount": "1235"}
        assert refuses(control, "baidu/present", altered)


def judges():
    with check(PRODUCT, "place", "judges"):
        for deed in deeds("place"):
            order = deed["prepay"]
            names = {"appKey": "app_key", "dealId": "deal_id", "totalAmount": "total_amount", "tpOrderId": "tp_order_id"}
            signed = {name: order[ours] for name, ours in names.items()}
            assert order["sign_fields_range"] == "1", order
            assert PLATFORM.verify(dict(signed), order["rsa_sign"])
            assert not PLATFORM.verify(signed | {"totalAmount": "1"}, order["rsa_sign"])


def read(callback):
    """What Baidu signed, which nobody altered."""
    fields = form(callback["body"])
    rsa_sign = fields.pop("rsaSign")
    assert MERCHANT.verify(dict(fields), rsa_sign), fields
    assert not MERCHANT.verify(fields | {"orderId": "1"}, rsa_sign)
    return fields


def reads():
    with check(EVERY, "payment_callback", "reads"):
        number = paid()
        told = [read(callback) for callback in callbacks(number)]
        assert [(it["tpOrderId"], it["totalMoney"], it["status"]) for it in told] == [(number, "1234", "2")], told
    with check(EVERY, "refund_callback", "reads"):
        number = paid()
        refund = control(f"orders/{number}/console-refund", {"amount": "0.34", "notify_url": GROUND["sink"]})
        control(f"refunds/{refund['out_refund_no']}/settle", {"outcome": "success"})
        told = [read(callback) for callback in callbacks(number) if callback["kind"].startswith("REFUND")]
        assert [(it["tpOrderId"], it["refundStatus"]) for it in told] == [(number, "1")], told


def signs():
    headers = {"content-type": "application/x-www-form-urlencoded"}
    with check(EVERY, "payment_callback", "signs"):
        for payment in GROUND["payments"]:
            order = control(f"orders/{payment['number']}/pay", sandbox=GROUND["kassa_sandbox"])
            told = {
                "userId": "1234567",
                "orderId": order["gateway_trade_no"],
                "unitPrice": "1234",
                "count": "1",
                "totalMoney": "1234",
                "payMoney": "1234",
                "dealId": SETTINGS["deal_id"],
                "payTime": str(int(time.time())),
                "payType": "1117",
                "partnerId": "6000001",
                "status": "2",
                "tpOrderId": payment["number"],
                "returnData": "{}",
            }
            body = urlencode(told | {"rsaSign": sign(PLATFORM, told)})
            altered = body.replace("totalMoney=1234", "totalMoney=1235")
            assert altered != body
            assert json.loads(post(payment["callback_url"], altered, headers)[1])["errno"] != 0
            status, answer = post(payment["callback_url"], body, headers)
            assert (status, json.loads(answer)["data"]) == (200, {"isConsumed": 2}), answer
            settled(payment)


version("python-alipay-sdk")
signs_alike()
reads_alike()
drives()
judges()
reads()
signs()
