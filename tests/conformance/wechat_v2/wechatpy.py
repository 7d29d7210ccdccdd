"""wechatpy and the vectors: it makes the same signatures, and reads the same notifications."""

import base64

from kit import EVERY, check, refuses, vectors, version
from wechatpy.pay import WeChatPay
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac

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


version("wechatpy")
signs_alike()
reads_alike()
