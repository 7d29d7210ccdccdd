"""paypalrestsdk, PayPal's own of old: it takes and refuses the same signatures as the vectors, reads the callbacks of our
simulator, and makes the text that is signed in those that our ingress takes."""

import base64
import datetime
import json
import uuid

import paypalrestsdk
from kit import EVERY, GROUND, callbacks, check, control, key, post, refuses, settled, vectors, version
from OpenSSL import crypto
from paypalrestsdk.notifications import WebhookEvent

VECTORS = vectors("webhook")
# What the package decides by the signature; the address, chain and name of a certificate it judges elsewhere.
OF_SIGNATURES = {"ok": True, "bad_signature": False}
(ACCOUNT,) = GROUND["accounts"].values()
SETTINGS, SECRETS = ACCOUNT["settings"], ACCOUNT["secrets"]
(CERTIFICATE,) = SETTINGS["certificates"]
# The key of the simulator's certificate.
SIGNING_KEY = "wechat_public_key.key"
SDK = paypalrestsdk.Api(
    endpoint=SETTINGS["api_base_url"].rstrip("/"),
    client_id=SETTINGS["client_id"],
    client_secret=SECRETS["client_secret"],
)


def certificate(pem):
    return crypto.load_certificate(crypto.FILETYPE_PEM, pem.encode())


def is_taken(case):
    headers = case["headers"]
    return WebhookEvent._verify_signature(
        headers["paypal-transmission-id"],
        headers["paypal-transmission-time"],
        VECTORS["webhook_id"],
        case["body"],
        certificate(VECTORS["leaf_pem"]),
        headers["paypal-transmission-sig"],
        "sha256",
    )


def agrees():
    with check(EVERY, "payment_callback", "agrees"):
        cases = [case for case in VECTORS["cases"] if case["expect"] in OF_SIGNATURES]
        assert {case["expect"] for case in cases} == set(OF_SIGNATURES)
        for case in cases:
            assert is_taken(case) == OF_SIGNATURES[case["expect"]], case["name"]


def fetched(url):
    """The package fetches the certificate; the simulator's is nowhere to be fetched from."""
    assert url == CERTIFICATE["url"], url
    return certificate(CERTIFICATE["pem"])


def trusted(roots):
    """The package trusts PayPal's authorities; the simulator has one of its own."""
    store = crypto.X509Store()
    for pem in roots:
        store.add_cert(certificate(pem))
    return store


def is_believed(headers, body, webhook_id=SETTINGS["webhook_id"], roots=tuple(SETTINGS["root_certs"])):
    """The package's whole judgement: chain, name and dates of the certificate, and the signature."""
    WebhookEvent._get_cert = staticmethod(fetched)
    WebhookEvent._get_certificate_store = staticmethod(lambda: trusted(roots))
    return WebhookEvent.verify(
        headers["paypal-transmission-id"],
        headers["paypal-transmission-time"],
        webhook_id,
        body,
        headers["paypal-cert-url"],
        headers["paypal-transmission-sig"],
        headers["paypal-auth-algo"],
    )


def order_of(number):
    unit = {"amount": {"currency_code": "USD", "value": "12.34"}, "custom_id": number}
    return {"intent": "CAPTURE", "purchase_units": [unit]}


def reads():
    with check(EVERY, "payment_callback", "reads"):
        number = uuid.uuid4().hex
        order = SDK.post("v2/checkout/orders", order_of(number), {"PayPal-Request-Id": number})["id"]
        control(f"orders/{order}/pay")
        made = SDK.post(f"v2/checkout/orders/{order}/capture", {}, {"PayPal-Request-Id": f"cap-{number}"})
        (capture,) = made["purchase_units"][0]["payments"]["captures"]
        wish = {"amount": {"currency_code": "USD", "value": "0.34"}}
        SDK.post(f"v2/payments/captures/{capture['id']}/refund", wish, {"PayPal-Request-Id": f"rf-{number}"})
        told = {}
        for callback in callbacks(number):
            headers = {name.lower(): value for name, value in callback["headers"]}
            body = callback["body"]
            assert is_believed(headers, body), body
            assert refuses(is_believed, headers, body + " ")
            assert refuses(is_believed, headers, body, webhook_id="OTHER")
            assert refuses(is_believed, headers, body, roots=())
            other = headers | {"paypal-transmission-time": "2026-01-06T08:00:30Z"}
            assert refuses(is_believed, other, body)
            event = json.loads(body)
            told[event["event_type"]] = event["resource"]
        assert set(told) == {
            "CHECKOUT.ORDER.APPROVED",
            "PAYMENT.CAPTURE.COMPLETED",
            "PAYMENT.CAPTURE.REFUNDED",
        }, set(told)
        assert told["CHECKOUT.ORDER.APPROVED"]["id"] == order
        assert told["PAYMENT.CAPTURE.COMPLETED"]["amount"] == {"currency_code": "USD", "value": "12.34"}


def signed(body):
    """The text is the package's, the signature OpenSSL's."""
    transmission = str(uuid.uuid4())
    at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = WebhookEvent._get_expected_sig(transmission, at, SETTINGS["webhook_id"], body)
    private = crypto.load_privatekey(crypto.FILETYPE_PEM, key(SIGNING_KEY))
    return {
        "content-type": "application/json",
        "paypal-transmission-id": transmission,
        "paypal-transmission-time": at,
        "paypal-transmission-sig": base64.b64encode(crypto.sign(private, text.encode(), "sha256")).decode(),
        "paypal-cert-url": CERTIFICATE["url"],
        "paypal-auth-algo": "SHA256withRSA",
        "paypal-auth-version": "v2",
    }


def signs():
    with check(EVERY, "payment_callback", "signs"):
        for payment in GROUND["payments"]:
            order = control(f"orders/{payment['number']}/pay", sandbox=GROUND["kassa_sandbox"])
            unit = {
                "amount": {"currency_code": "USD", "value": payment["amount"]},
                "custom_id": payment["number"],
                "payee": {"merchant_id": SETTINGS["merchant_id"]},
            }
            resource = {"id": order["gateway_trade_no"], "status": "APPROVED", "purchase_units": [unit]}
            event = {
                "id": f"WH-{uuid.uuid4().hex.upper()}",
                "event_version": "1.0",
                "create_time": "2026-01-06T08:00:30.000Z",
                "resource_type": "checkout-order",
                "resource_version": "2.0",
                "event_type": "CHECKOUT.ORDER.APPROVED",
                "summary": "An order has been approved by buyer",
                "resource": resource,
            }
            body = json.dumps(event)
            headers = signed(body)
            assert post(payment["callback_url"], body.replace("12.34", "12.35"), headers)[0] == 400
            assert post(payment["callback_url"], body, headers) == (200, "")
            settled(payment)


version("paypalrestsdk")
agrees()
reads()
signs()
