"""OpenSSL's command line makes and takes Baidu's signatures, RSA with SHA-1 over sorted pairs: those of the vectors, of
our adapter, our simulator and our ingress. Baidu's other calls are not signed."""

import json
import time
import uuid
from urllib.parse import parse_qsl, urlencode

import command_line as openssl
from kit import EVERY, GROUND, callbacks, check, control, deeds, form, key, post, refuses, settled, vectors

PRODUCT = "swan.requestPolymerPayment"
UNSIGNED = ("rsaSign", "sign", "sign_type")
VECTORS = vectors()
(ACCOUNT,) = GROUND["accounts"].values()
SETTINGS, SECRETS = ACCOUNT["settings"], ACCOUNT["secrets"]
MERCHANT_KEY = SECRETS["merchant_private_key"]
# The simulator signs with one of its keys for several gateways.
PLATFORM_KEY = key("wechat_public_key.key")


def text_of(params):
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if name not in UNSIGNED)


def sign(private_key, params):
    return openssl.sign("sha1", private_key, text_of(params))


def is_signed(public_key, params, signature):
    return openssl.verifies("sha1", public_key, text_of(params), signature)


def is_signed_either_way(public_key, params, signature):
    """The documents say both that empty values are signed and that they are not."""
    without_empty = {name: value for name, value in params.items() if value}
    return is_signed(public_key, params, signature) or is_signed(public_key, without_empty, signature)


def agrees():
    with check(PRODUCT, "place", "agrees"):
        printed = VECTORS["official_doc"]
        assert sign(printed["private_key_pem"], printed["params"]) == printed["expected_rsaSign"]
        examples = [example for example in VECTORS["signing"] if example["name"].startswith("orderinfo")]
        assert examples
        for example in examples:
            assert text_of(example["params"]) == example["string_to_sign"], example["name"]
            signature = sign(VECTORS["keys"]["merchant_private_key_pkcs8_pem"], example["params"])
            assert signature == example["expected_rsaSign"], example["name"]
    platform = VECTORS["keys"]["platform_public_key_pem"]
    for operation, start in (("payment_callback", "pay"), ("refund_callback", "refund")):
        with check(EVERY, operation, "agrees"):
            examples = [example for example in VECTORS["notifications"] if example["name"].startswith(start)]
            assert any(example["valid"] for example in examples)
            for example in examples:
                fields = dict(parse_qsl(example["raw_body"], keep_blank_values=True))
                signature = fields["rsaSign"]
                assert is_signed_either_way(platform, fields, signature) == example["valid"], example["name"]
                assert not is_signed_either_way(platform, fields | {"orderId": "1"}, signature)


def presented(number, private_key=MERCHANT_KEY):
    """What a smart program hands to the cashier, which opens the order there."""
    signed = {
        "appKey": SETTINGS["app_key"],
        "dealId": SETTINGS["deal_id"],
        "totalAmount": "1234",
        "tpOrderId": number,
    }
    signature = sign(private_key, signed)
    biz_info = {"tpData": signed | {"rsaSign": signature, "returnData": {}, "displayData": {"cashierTopBlock": [[]]}}}
    return signed | {
        "dealTitle": "A pot of tea 一壶茶",
        "signFieldsRange": "1",
        "rsaSign": signature,
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
        number = uuid.uuid4().hex
        assert refuses(control, "baidu/present", presented(number) | {"totalAmount": "1235"})
        assert refuses(control, "baidu/present", presented(number, PLATFORM_KEY))
        assert refuses(control, f"orders/{number}/pay"), "a refused order is there"


def judges():
    with check(PRODUCT, "place", "judges"):
        merchant = openssl.public_half(MERCHANT_KEY)
        names = {"appKey": "app_key", "dealId": "deal_id", "totalAmount": "total_amount", "tpOrderId": "tp_order_id"}
        for deed in deeds("place"):
            order = deed["prepay"]
            signed = {name: order[ours] for name, ours in names.items()}
            assert is_signed(merchant, signed, order["rsa_sign"]), order
            assert not is_signed(merchant, signed | {"totalAmount": "1"}, order["rsa_sign"])


def read(callback):
    """What Baidu signed, which nobody altered."""
    fields = form(callback["body"])
    platform = SETTINGS["platform_public_keys"][0]
    assert is_signed(platform, fields, fields["rsaSign"]), fields
    assert not is_signed(platform, fields | {"orderId": "1"}, fields["rsaSign"])
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


def deliver(url, told, altered):
    """What is altered, or signed by somebody else, is refused; the real one is taken. Gives what Baidu is told."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    signed = told | {"rsaSign": sign(PLATFORM_KEY, told)}
    for bad in (signed | altered, told | {"rsaSign": sign(MERCHANT_KEY, told)}):
        assert json.loads(post(url, urlencode(bad), headers)[1])["errno"] != 0, bad
    status, answer = post(url, urlencode(signed), headers)
    answer = json.loads(answer)
    assert (status, answer["errno"]) == (200, 0), answer
    return answer["data"]


def signs():
    kassa = GROUND["kassa_sandbox"]
    orders = {}
    with check(EVERY, "payment_callback", "signs"):
        for payment in GROUND["payments"]:
            order = orders[payment["number"]] = control(f"orders/{payment['number']}/pay", sandbox=kassa)
            told = {
                "userId": order["payer"],
                "orderId": order["gateway_trade_no"],
                "unitPrice": "1234",
                "count": "1",
                "totalMoney": "1234",
                "payMoney": "1200",
                "promoMoney": "34",
                "promoDetail": "",
                "dealId": SETTINGS["deal_id"],
                "payTime": str(int(time.time())),
                "payType": "1117",
                "partnerId": "6000001",
                "status": "2",
                "tpOrderId": payment["number"],
                "returnData": "{}",
            }
            assert deliver(payment["callback_url"], told, {"totalMoney": "1235"}) == {"isConsumed": 2}
            settled(payment)
    with check(EVERY, "refund_callback", "signs"):
        for payment in GROUND["payments"]:
            order = orders[payment["number"]]
            refund = control(f"orders/{payment['number']}/console-refund", {"amount": "1.00"}, kassa)
            about = {
                "userId": order["payer"],
                "orderId": order["gateway_trade_no"],
                "tpOrderId": payment["number"],
                "refundBatchId": refund["refund_id"],
            }
            # May this refund be made? Nobody here has asked for it, and nobody has decided.
            question = about | {"applyRefundMoney": "100"}
            asked = deliver(payment["refund_callback_url"], question, {"applyRefundMoney": "1"})
            assert asked == {"auditStatus": 3, "calculateRes": {"refundPayMoney": 100}}, asked
            # It was not, and Kassa asks before it believes that.
            control(f"refunds/{refund['out_refund_no']}/settle", {"outcome": "closed"}, kassa)
            told = deliver(payment["refund_callback_url"], about | {"refundStatus": "2"}, {"refundStatus": "1"})
            assert told == {}, told
            settled(payment)


openssl.tell_version()
agrees()
drives()
judges()
reads()
signs()
