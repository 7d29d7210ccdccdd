"""paypalrestsdk, PayPal's own of old, and the vectors: it takes and refuses the same signatures."""

from kit import EVERY, check, vectors, version
from OpenSSL import crypto
from paypalrestsdk.notifications import WebhookEvent

VECTORS = vectors("webhook")
# What the package decides by the signature; the address, chain and name of a certificate it judges elsewhere.
OF_SIGNATURES = {"ok": True, "bad_signature": False}


def is_taken(case):
    headers = case["headers"]
    return WebhookEvent._verify_signature(
        headers["paypal-transmission-id"],
        headers["paypal-transmission-time"],
        VECTORS["webhook_id"],
        case["body"],
        crypto.load_certificate(crypto.FILETYPE_PEM, VECTORS["leaf_pem"].encode()),
        headers["paypal-transmission-sig"],
        "sha256",
    )


def agrees():
    with check(EVERY, "payment_callback", "agrees"):
        cases = [case for case in VECTORS["cases"] if case["expect"] in OF_SIGNATURES]
        assert {case["expect"] for case in cases} == set(OF_SIGNATURES)
        for case in cases:
            assert is_taken(case) == OF_SIGNATURES[case["expect"]], case["name"]


version("paypalrestsdk")
agrees()
