"""python-alipay-sdk and the vectors: Baidu's signatures are made as Alipay's older ones, RSA with SHA-1."""

from urllib.parse import parse_qsl

from alipay import AliPay
from kit import EVERY, check, vectors, version

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


version("python-alipay-sdk")
signs_alike()
reads_alike()
