"""Stripe's own Python library on the other side: it drives the simulator, makes our adapter's requests once more, and
reads and signs events."""

import json
import re
import time
import uuid
from urllib.parse import parse_qsl, urlsplit

import stripe
from kit import EVERY, GROUND, callbacks, check, control, deeds, listening, post, refuses, settled, version
from stripe.params import _payment_intent_create_params as intent_params
from stripe.params import _refund_create_params as refund_params
from stripe.params.checkout import _session_create_params as session_params

SESSIONS, INTENTS = "/v1/checkout/sessions", "/v1/payment_intents"
(ACCOUNT,) = GROUND["accounts"].values()
SETTINGS, SECRETS = ACCOUNT["settings"], ACCOUNT["secrets"]
KEY, ENDPOINT = SECRETS["secret_key"], SECRETS["signing_secret"]


def opened(base, key=KEY):
    return stripe.StripeClient(key, base_addresses={"api": base, "files": base}, max_network_retries=0)


SDK = opened(SETTINGS["api_base_url"])


def new_number():
    return uuid.uuid4().hex


def session_of(number, amount=1234):
    price = {"currency": "usd", "unit_amount": amount, "product_data": {"name": "A pot of tea 一壶茶"}}
    return {
        "mode": "payment",
        "success_url": "https://shop.example/ok?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/cancel",
        "client_reference_id": number,
        "line_items": [{"quantity": 1, "price_data": price}],
        "metadata": {"transaction_id": number},
        "payment_intent_data": {"metadata": {"transaction_id": number}},
    }


def placed(number=None, amount=1234):
    number = number or new_number()
    options = {"idempotency_key": f"pay:{number}"}
    return SDK.v1.checkout.sessions.create(session_of(number, amount), options)


def paid():
    session = placed()
    control(f"orders/{session.id}/pay")
    return SDK.v1.checkout.sessions.retrieve(session.id)


def refunded(session):
    number = new_number()
    wish = {"payment_intent": session.payment_intent, "amount": 34, "metadata": {"refund_id": number}}
    return SDK.v1.refunds.create(wish, {"idempotency_key": f"refund:{number}"})


def raises(error, call, *args):
    try:
        call(*args)
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def drives():
    with check(SESSIONS, "place", "drives"):
        number = new_number()
        session = placed(number)
        assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 1234)
        assert session.url.startswith(GROUND["sandbox"]), session.url
        assert placed(number).id == session.id, "the same key is the same session"
        raises(stripe.IdempotencyError, placed, number, 1235)
        stranger = opened(SETTINGS["api_base_url"], "sk_test_of_nobody")
        raises(stripe.AuthenticationError, stranger.v1.checkout.sessions.create, session_of(number))
        raises(stripe.InvalidRequestError, SDK.v1.checkout.sessions.create, {"mode": "payment"})
    with check(INTENTS, "place", "drives"):
        wish = {"amount": 1234, "currency": "usd", "automatic_payment_methods": {"enabled": True}}
        intent = SDK.v1.payment_intents.create(wish)
        assert intent.status == "requires_payment_method" and intent.client_secret.startswith(intent.id)
        raises(stripe.InvalidRequestError, SDK.v1.payment_intents.create, wish | {"amount": 1})
    with check(EVERY, "query", "drives"):
        session = paid()
        assert (session.status, session.payment_status) == ("complete", "paid")
        intent = SDK.v1.payment_intents.retrieve(session.payment_intent)
        assert (intent.status, intent.amount_received) == ("succeeded", 1234)
        raises(stripe.InvalidRequestError, SDK.v1.checkout.sessions.retrieve, "cs_test_nothing")
    with check(EVERY, "close", "drives"):
        session = placed()
        assert SDK.v1.checkout.sessions.expire(session.id).status == "expired"
        raises(stripe.InvalidRequestError, SDK.v1.checkout.sessions.expire, session.id)
        intent = SDK.v1.payment_intents.create({"amount": 1234, "currency": "usd"})
        assert SDK.v1.payment_intents.cancel(intent.id).status == "canceled"
    with check(EVERY, "refund", "drives"):
        refund = refunded(paid())
        assert (refund.status, refund.amount, refund.currency) == ("succeeded", 34, "usd")
    with check(EVERY, "query_refund", "drives"):
        session = paid()
        made = [refunded(session).id for _ in range(3)]
        listed = SDK.v1.refunds.list({"payment_intent": session.payment_intent, "limit": 2})
        assert [refund.id for refund in listed.auto_paging_iter()] == made[::-1]
        assert SDK.v1.refunds.retrieve(made[0]).amount == 34


def nested(body):
    """A form as the library takes it: what is nested by brackets as dictionaries and lists."""
    tree = {}
    for name, value in parse_qsl(body, keep_blank_values=True, strict_parsing=True):
        *path, last = re.findall(r"[^][]+", name)
        here = tree
        for part in path:
            here = here.setdefault(part, {})
        assert last not in here, name
        here[last] = value
    return listed(tree)


def listed(tree):
    if not isinstance(tree, dict):
        return tree
    if tree and all(name.isdigit() for name in tree):
        return [listed(tree[name]) for name in sorted(tree, key=int)]
    return {name: listed(value) for name, value in tree.items()}


def assert_known(module, kind, value):
    """Every name in the form is one that the library's types know."""
    if isinstance(value, list):
        for entry in value:
            assert_known(module, kind, entry)
        return
    known = getattr(module, kind).__annotations__
    for name, inner in value.items():
        assert name in known, f"{kind} has no {name}"
        annotation = str(known[name])
        if isinstance(inner, (dict, list)) and "Dict[str, str]" not in annotation:
            (inner_kind,) = set(re.findall(rf"{kind}\w+", annotation))
            assert_known(module, inner_kind, inner)


def repeat(sdk, call):
    """Has the library make the same call."""
    path, _, query = call["target"].partition("?")
    options = {"idempotency_key": key} if (key := dict(call["headers"]).get("idempotency-key")) else {}
    params = nested(call["body"]) if call["body"] else {}
    match [call["method"], *path.strip("/").split("/")]:
        case ["POST", "v1", "checkout", "sessions"]:
            assert_known(session_params, "SessionCreateParams", params)
            misspelt = params | {"sucess_url": params["success_url"]}
            raises(AssertionError, assert_known, session_params, "SessionCreateParams", misspelt)
            sdk.v1.checkout.sessions.create(params, options)
        case ["GET", "v1", "checkout", "sessions", id]:
            sdk.v1.checkout.sessions.retrieve(id)
        case ["POST", "v1", "checkout", "sessions", id, "expire"]:
            sdk.v1.checkout.sessions.expire(id)
        case ["POST", "v1", "payment_intents"]:
            assert_known(intent_params, "PaymentIntentCreateParams", params)
            sdk.v1.payment_intents.create(params, options)
        case ["POST", "v1", "refunds"]:
            assert_known(refund_params, "RefundCreateParams", params)
            sdk.v1.refunds.create(params, options)
        case ["GET", "v1", "refunds"]:
            sdk.v1.refunds.list(nested(query))
        case other:
            raise AssertionError(f"no call of the library's: {other}")


def same(call, seen):
    """The same method, address, form, key and version."""
    method, target, headers, body = seen
    ours = {name.lower(): value for name, value in call["headers"]}
    assert (call["method"], urlsplit(call["target"]).path) == (method, urlsplit(target).path)
    for one, other in ((call["body"], body), (urlsplit(call["target"]).query, urlsplit(target).query)):
        assert sorted(parse_qsl(one)) == sorted(parse_qsl(other)), (one, other)
    names = ["authorization", "stripe-version"]
    if "idempotency-key" in ours:
        names.append("idempotency-key")
    for name in names:
        assert ours[name] == headers[name], name


def judges():
    nothing = {"id": "x", "object": "list", "data": [], "has_more": False}
    with listening(lambda target: nothing) as (url, seen):
        sdk = opened(url)
        operations = [(deed["product"], deed["operation"]) for deed in GROUND["deeds"]]
        for product, operation in dict.fromkeys(operations):
            with check(product, operation, "judges"):
                calls = [call for deed in deeds(operation) if deed["product"] == product for call in deed["calls"]]
                assert calls
                for call in calls:
                    seen.clear()
                    repeat(sdk, call)
                    same(call, seen[-1])
                    altered = call | {"target": call["target"].replace("/v1/", "/v2/")}
                    raises(AssertionError, same, altered, seen[-1])


def reads():
    with check(EVERY, "payment_callback", "reads"):
        number = new_number()
        session = placed(number)
        control(f"orders/{session.id}/pay")
        told = {}
        for callback in callbacks(number):
            header = dict(callback["headers"])["Stripe-Signature"]
            event = stripe.Webhook.construct_event(callback["body"], header, ENDPOINT)
            assert refuses(stripe.Webhook.construct_event, callback["body"] + " ", header, ENDPOINT)
            assert refuses(stripe.Webhook.construct_event, callback["body"], header, "whsec_of_another")
            told[event.type] = event.data.object
        assert set(told) == {"payment_intent.succeeded", "checkout.session.completed"}, told
        completed = told["checkout.session.completed"]
        assert (completed.id, completed.amount_total, completed.payment_status) == (session.id, 1234, "paid")
        assert told["payment_intent.succeeded"].metadata["transaction_id"] == number


def signs():
    with check(EVERY, "payment_callback", "signs"):
        for payment in GROUND["payments"]:
            order = control(f"orders/{payment['number']}/pay", sandbox=GROUND["kassa_sandbox"])
            completed = {
                "id": order["gateway_trade_no"],
                "object": "checkout.session",
                "status": "complete",
                "payment_status": "paid",
                "amount_total": 1234,
                "currency": payment["currency"].lower(),
                "client_reference_id": payment["number"],
                "metadata": {"transaction_id": payment["number"]},
                "livemode": False,
            }
            event = {
                "id": f"evt_{new_number()}",
                "object": "event",
                "type": "checkout.session.completed",
                "created": int(time.time()),
                "livemode": False,
                "data": {"object": completed},
            }
            body = json.dumps(event)
            header = stripe.WebhookSignature.generate_signature_header(body, ENDPOINT, int(time.time()))
            headers = {"content-type": "application/json; charset=utf-8", "stripe-signature": header}
            assert post(payment["callback_url"], body.replace("1234", "1235"), headers)[0] == 400
            assert post(payment["callback_url"], body, headers) == (200, "")
            settled(payment)


version("stripe")
drives()
judges()
reads()
signs()
