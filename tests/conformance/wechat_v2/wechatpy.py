"""wechatpy: it makes the same signatures as the vectors and reads the same notifications, and stands on the other side
of our adapter, our simulator and our ingress."""

import base64
import tempfile
import uuid

import xmltodict
from kit import EVERY, GROUND, callbacks, check, control, deeds, post, refuses, settled, vectors, version
from wechatpy.pay import WeChatPay
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac, dict_to_xml

VECTORS = vectors()
KEY = VECTORS["api_key"]
SIGN = {"MD5": calculate_signature, "HMAC-SHA256": calculate_signature_hmac}
# The signed examples by what they are of.
SIGNED = {
    ("/pay/unifiedorder NATIVE", "place"): ["unifiedorder_native"],
    ("/pay/unifiedorder JSAPI", "place"): ["unifiedorder_jsapi_hmac", "jsapi_invoke", "jsapi_invoke_hmac"],
    ("/pay/unifiedorder MWEB", "place"): ["unifiedorder_h5_scene_info"],
    ("/pay/unifiedorder APP", "place"): ["unifiedorder_app_with_empty_attach", "app_invoke"],
    (EVERY, "query"): ["orderquery"],
    (EVERY, "close"): ["closeorder"],
    (EVERY, "refund"): ["refund"],
}


def signs_alike():
    examples = {example["name"]: example for example in VECTORS["signing"]}
    for (product, operation), names in SIGNED.items():
        with check(product, operation, "agrees"):
            for name in names:
                example = examples[name]
                params = example["params"]
                sign = SIGN[example["sign_type"]]
                assert sign(params, KEY) == example["expected_sign"], name
                assert sign(params | {"appid": "wx0"}, KEY) != example["expected_sign"]


def reads_alike():
    # The package knows MD5 only.
    examples = [example for example in VECTORS["pay_notifications"] if example["sign_type"] == "MD5"]
    with check(EVERY, "payment_callback", "agrees"):
        assert {example["valid"] for example in examples} == {True, False}
        for example in examples:
            sdk = WeChatPay("wx8888888888888888", KEY, "1900000001")
            is_refused = refuses(sdk.parse_payment_result, example["raw_body"])
            assert is_refused == (not example["valid"]), example["name"]
    with check(EVERY, "refund_callback", "agrees"):
        example = VECTORS["refund_notification"]
        sdk = WeChatPay("wx8888888888888888", KEY, "1900000001")
        read = sdk.parse_refund_notify_result(example["raw_body"])
        assert read["refund_status"] == "SUCCESS" and read["out_refund_no"], read
        sealed = bytearray(base64.b64decode(example["req_info"]))
        sealed[-1] ^= 1
        altered = example["raw_body"].replace(example["req_info"], base64.b64encode(sealed).decode())
        assert altered != example["raw_body"]
        assert refuses(sdk.parse_refund_notify_result, altered)


(ACCOUNT,) = GROUND["accounts"].values()
SETTINGS, SECRETS = ACCOUNT["settings"], ACCOUNT["secrets"]
PRODUCTS = {
    "NATIVE": ({"product_id": "tea"}, "code_url"),
    "JSAPI": ({"user_id": "oTest-payer-openid-0000001"}, "prepay_id"),
    "MWEB": ({"scene_info": {"h5_info": {"type": "Wap", "wap_url": "https://a.example", "wap_name": "A"}}}, "mweb_url"),
    "APP": ({}, "prepay_id"),
}


def opened():
    """The SDK as the merchant's, pointed at the simulator, which demands its certificate for refunds."""
    folder = tempfile.mkdtemp()
    files = {}
    for name, pem in (
        ("cert", SETTINGS["client_certificate"]),
        ("key", SECRETS["client_private_key"]),
        ("root", SETTINGS["mtls_root_certificate"]),
    ):
        files[name] = f"{folder}/{name}.pem"
        with open(files[name], "w", encoding="ascii") as file:
            file.write(pem)
    sdk = WeChatPay(
        SETTINGS["appid"], SECRETS["api_key"], SETTINGS["mch_id"], mch_cert=files["cert"], mch_key=files["key"]
    )
    sdk.API_BASE_URL = SETTINGS["api_base_url"].rstrip("/") + "/"
    # Whatever the environment says of proxies and authorities is not about the simulator.
    sdk._http.trust_env = False
    sdk._http.verify = files["root"]
    return sdk


SDK = opened()


def believed(answer):
    """An answer that WeChat Pay signed; one that is altered it did not sign."""
    assert SDK.check_signature(answer), answer
    assert not SDK.check_signature(answer | {"nonce_str": "x"})
    return answer


def placed(trade_type="NATIVE"):
    number = uuid.uuid4().hex
    more, wanted = PRODUCTS[trade_type]
    answer = SDK.order.create(
        trade_type, "A pot of tea 一壶茶", 1234, GROUND["sink"], client_ip="203.0.113.7", out_trade_no=number, **more
    )
    assert believed(answer)[wanted], answer
    return number


def paid():
    number = placed()
    control(f"orders/{number}/pay")
    return number


def charged(conduct):
    """What becomes of the code of a payer who does that."""
    number = uuid.uuid4().hex
    code = control("codes", {"gateway": "wechat_v2", "conduct": conduct})["code"]
    answer = SDK.micropay.create(
        "A pot of tea 一壶茶", 1234, code, client_ip="203.0.113.7", out_trade_no=number
    )
    return number, believed(answer)


def refunded(number):
    refund = uuid.uuid4().hex
    # The package's own `refund.apply` adds `op_user_id`, which the documents do not know any more.
    wish = {"appid": SDK.appid, "out_trade_no": number, "out_refund_no": refund, "total_fee": 1234, "refund_fee": 34}
    url = f"{SETTINGS['mtls_base_url'].rstrip('/')}/secapi/pay/refund"
    answer = believed(SDK.post(url, data=wish | {"notify_url": GROUND["sink"]}))
    assert answer["out_refund_no"] == refund and answer["refund_fee"] == "34", answer
    return refund


def drives():
    for trade_type in PRODUCTS:
        with check(f"/pay/unifiedorder {trade_type}", "place", "drives"):
            placed(trade_type)
    with check("/pay/micropay", "place", "drives"):
        number, answer = charged("pays")
        assert (answer["out_trade_no"], answer["total_fee"]) == (number, "1234"), answer
        assert believed(SDK.order.query(out_trade_no=number))["trade_state"] == "SUCCESS"
        assert refuses(charged, "is_asked") and refuses(charged, "lacks_money")
    with check("/pay/micropay", "cancel", "drives"):
        number, _ = charged("pays")
        assert refuses(SDK.order.reverse, out_trade_no=number), "it goes where no certificate is asked for"
        base, SDK.API_BASE_URL = SDK.API_BASE_URL, SETTINGS["mtls_base_url"].rstrip("/") + "/"
        try:
            answer = believed(SDK.order.reverse(out_trade_no=number))
        finally:
            SDK.API_BASE_URL = base
        assert answer["recall"] == "N", answer
        assert believed(SDK.order.query(out_trade_no=number))["trade_state"] == "REVOKED"
    with check(EVERY, "query", "drives"):
        order = believed(SDK.order.query(out_trade_no=paid()))
        assert (order["trade_state"], order["total_fee"]) == ("SUCCESS", "1234"), order
    with check(EVERY, "close", "drives"):
        number = placed()
        believed(SDK.order.close(number))
        assert believed(SDK.order.query(out_trade_no=number))["trade_state"] == "CLOSED"
    with check(EVERY, "refund", "drives"):
        refunded(paid())
    with check(EVERY, "query_refund", "drives"):
        refund = refunded(paid())
        answer = believed(SDK.refund.query(out_refund_no=refund))
        assert (answer["out_refund_no_0"], answer["refund_fee_0"]) == (refund, "34"), answer


def is_signed(params, key=SECRETS["api_key"]):
    params = dict(params)
    sign = params.pop("sign")
    return sign == SIGN[params.get("sign_type", "MD5")](params, key)


# What a client hands to WeChat: the name that is signed, and the one in our own JSON.
OF_CLIENT = {
    "jsapi": {
        "appId": "app_id",
        "timeStamp": "time_stamp",
        "nonceStr": "nonce_str",
        "package": "package",
        "signType": "sign_type",
    },
    "wechat_app": {
        "appid": "app_id",
        "partnerid": "partner_id",
        "prepayid": "prepay_id",
        "package": "package",
        "noncestr": "nonce_str",
        "timestamp": "time_stamp",
    },
}


def is_signed_for_client(prepay, kind):
    """Signed as the order was; codes and addresses are not."""
    names = OF_CLIENT.get(prepay["kind"])
    if not names:
        return prepay["kind"] in ("qr_code", "redirect")
    params = {name: prepay[ours] for name, ours in names.items()}
    return SIGN[kind](params, SECRETS["api_key"]) == prepay.get("pay_sign", prepay.get("sign"))


def judges():
    # Refunds go where the client certificate is demanded, and so past the recorder.
    operations = [(deed["product"], deed["operation"]) for deed in GROUND["deeds"] if deed["operation"] != "refund"]
    for product, operation in dict.fromkeys(operations):
        with check(product, operation, "judges"):
            for deed in deeds(operation):
                if deed["product"] != product:
                    continue
                (call,) = deed["calls"]
                params = dict(xmltodict.parse(call["body"])["xml"])
                assert is_signed(params), params
                assert not is_signed(params | {"nonce_str": "x"})
                assert not is_signed(params, "0" * 32)
                if deed["prepay"]:
                    assert is_signed_for_client(deed["prepay"], params.get("sign_type", "MD5")), deed["prepay"]


def reads():
    with check(EVERY, "payment_callback", "reads"):
        number = paid()
        (callback,) = callbacks(number)
        told = SDK.parse_payment_result(callback["body"])
        assert (told["out_trade_no"], told["total_fee"]) == (number, 1234), told
        assert refuses(SDK.parse_payment_result, callback["body"].replace("1234", "1235"))
    with check(EVERY, "refund_callback", "reads"):
        number = paid()
        refund = refunded(number)
        control(f"refunds/{refund}/settle", {"outcome": "success"})
        (callback,) = [it for it in callbacks(number) if it["kind"].startswith("REFUND")]
        told = SDK.parse_refund_notify_result(callback["body"])
        assert (told["out_refund_no"], told["refund_fee"], told["refund_status"]) == (refund, 34, "SUCCESS"), told


def signs():
    headers = {"content-type": "text/xml"}
    with check(EVERY, "payment_callback", "signs"):
        for payment in GROUND["payments"]:
            order = control(f"orders/{payment['number']}/pay", sandbox=GROUND["kassa_sandbox"])
            told = {
                "return_code": "SUCCESS",
                "result_code": "SUCCESS",
                "appid": SDK.appid,
                "mch_id": SDK.mch_id,
                "nonce_str": uuid.uuid4().hex,
                "out_trade_no": payment["number"],
                "transaction_id": order["gateway_trade_no"],
                "total_fee": "1234",
                "time_end": "20260101080005",
            }
            body = dict_to_xml(told, calculate_signature(told, SDK.api_key))
            altered = body.replace("1234", "1235")
            assert altered != body
            assert "SUCCESS" not in post(payment["callback_url"], altered, headers)[1]
            status, answer = post(payment["callback_url"], body, headers)
            assert status == 200 and xmltodict.parse(answer)["xml"]["return_code"] == "SUCCESS", answer
            settled(payment)


version("wechatpy")
signs_alike()
reads_alike()
drives()
judges()
reads()
signs()
