"""PayPal's own server library on the other side: it drives the simulator, and makes our adapter's requests once more."""

import json
import uuid
from urllib.parse import parse_qsl

from apimatic_core.exceptions.auth_validation_exception import AuthValidationException
from kit import EVERY, GROUND, check, control, deeds, listening, version
from paypalserversdk.configuration import Configuration, Environment, Server
from paypalserversdk.exceptions.error_exception import ErrorException
from paypalserversdk.http.auth.o_auth_2 import ClientCredentialsAuthCredentials
from paypalserversdk.models.order_capture_request import OrderCaptureRequest
from paypalserversdk.models.order_request import OrderRequest
from paypalserversdk.models.refund_request import RefundRequest
from paypalserversdk.paypal_serversdk_client import PaypalServersdkClient

ORDERS, TOKEN = "/v2/checkout/orders", "/v1/oauth2/token"
WHOLE = "return=representation"
(ACCOUNT,) = GROUND["accounts"].values()
SETTINGS, SECRETS = ACCOUNT["settings"], ACCOUNT["secrets"]


def opened(base, world=Environment.SANDBOX, secret=SECRETS["client_secret"]):
    Configuration.environments[world] = {Server.DEFAULT: base.rstrip("/")}
    credentials = ClientCredentialsAuthCredentials(o_auth_client_id=SETTINGS["client_id"], o_auth_client_secret=secret)
    return PaypalServersdkClient(client_credentials_auth_credentials=credentials, environment=world)


SDK = opened(SETTINGS["api_base_url"])


def new_number():
    return uuid.uuid4().hex


def order_of(number, **changes):
    unit = {
        "amount": {"currency_code": "USD", "value": "12.34"},
        "custom_id": number,
        "invoice_id": number,
        "description": "A pot of tea 一壶茶",
    }
    context = {
        "shipping_preference": "NO_SHIPPING",
        "return_url": "https://shop.example/ok",
        "cancel_url": "https://shop.example/no",
        "user_action": "PAY_NOW",
    }
    return {
        "intent": "CAPTURE",
        "purchase_units": [unit | changes],
        "payment_source": {"paypal": {"experience_context": context}},
    }


def placed(number=None, sdk=SDK, **changes):
    number = number or new_number()
    body = OrderRequest.from_dictionary(order_of(number, **changes))
    return sdk.orders.create_order({"body": body, "paypal_request_id": f"pay-{number}", "prefer": WHOLE})


def captured(order):
    options = {"id": order.id, "body": OrderCaptureRequest(), "paypal_request_id": f"cap-{order.id}", "prefer": WHOLE}
    return SDK.orders.capture_order(options)


def approved():
    order = placed().body
    control(f"orders/{order.id}/pay")
    return order


def paid():
    """A captured order, and the money that it brought."""
    order = captured(approved()).body
    (capture,) = order.purchase_units[0].payments.captures
    return order, capture


def refunded(capture, value="0.34"):
    number = new_number()
    wish = {"amount": {"currency_code": "USD", "value": value}, "custom_id": number, "note_to_payer": "不合口味"}
    body = RefundRequest.from_dictionary(wish)
    options = {"capture_id": capture.id, "body": body, "paypal_request_id": f"rf-{number}", "prefer": WHOLE}
    return number, SDK.payments.refund_captured_payment(options)


def raises(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error as raised:
        return raised
    raise AssertionError(f"no {error.__name__}")


def refuses_with(status, issue, call, *args, **kwargs):
    """The library reads the refusal as PayPal's."""
    raised = raises(ErrorException, call, *args, **kwargs)
    found = (raised.response_code, raised.details[0].issue)
    assert found == (status, issue), (found, raised.name)
    assert raised.debug_id


def drives():
    with check(ORDERS, "place", "drives"):
        number = new_number()
        made = placed(number)
        order = made.body
        assert (made.status_code, order.status, len(order.id)) == (201, "PAYER_ACTION_REQUIRED", 17)
        (link,) = [link for link in order.links if link.rel == "payer-action"]
        assert link.href.startswith(GROUND["sandbox"]), link.href
        again = placed(number)
        assert (again.status_code, again.body.id) == (200, order.id), "the same request is the same order"
        raises(ErrorException, placed, number, amount={"currency_code": "USD", "value": "12.35"})
        for changes, status, issue in (
            ({"custom_id": "x" * 128}, 400, "INVALID_STRING_MAX_LENGTH"),
            ({"amount": {"currency_code": "USD", "value": "12.345"}}, 422, "DECIMAL_PRECISION"),
            ({"amount": {"currency_code": "JPY", "value": "12.5"}}, 422, "DECIMALS_NOT_SUPPORTED"),
            ({"amount": {"currency_code": "XXX", "value": "12"}}, 422, "INVALID_CURRENCY_CODE"),
        ):
            refuses_with(status, issue, placed, **changes)
        stranger = opened(SETTINGS["api_base_url"], Environment.PRODUCTION, "of-nobody")
        raises(AuthValidationException, placed, sdk=stranger)
    with check(EVERY, "query", "drives"):
        order = placed().body
        refuses_with(422, "ORDER_NOT_APPROVED", captured, order)
        control(f"orders/{order.id}/pay")
        assert SDK.orders.get_order({"id": order.id}).body.status == "APPROVED"
        first, again = captured(order), captured(order)
        assert (first.status_code, again.status_code) == (201, 200), "collected once"
        (capture,) = SDK.orders.get_order({"id": order.id}).body.purchase_units[0].payments.captures
        assert (capture.status, capture.amount.value, capture.amount.currency_code) == ("COMPLETED", "12.34", "USD")
        found = SDK.payments.get_captured_payment({"capture_id": capture.id}).body
        assert found.supplementary_data.related_ids.order_id == order.id
        refuses_with(404, "INVALID_RESOURCE_ID", SDK.orders.get_order, {"id": "5O190127TN364715T"})
    with check(EVERY, "refund", "drives"):
        _, capture = paid()
        number, made = refunded(capture)
        refund = made.body
        assert (made.status_code, refund.status, refund.amount.value) == (201, "COMPLETED", "0.34")
        assert refund.custom_id == number
        refuses_with(422, "REFUND_AMOUNT_EXCEEDED", refunded, capture, "12.01")
        refunded(capture, "12.00")
        refuses_with(422, "CAPTURE_FULLY_REFUNDED", refunded, capture)
    with check(EVERY, "query_refund", "drives"):
        order, capture = paid()
        made = [refunded(capture)[1].body.id for _ in range(2)]
        found = SDK.orders.get_order({"id": order.id}).body.purchase_units[0].payments.refunds
        assert sorted(refund.id for refund in found) == sorted(made)
        assert SDK.payments.get_refund({"refund_id": made[0]}).body.amount.value == "0.34"


def answer(target):
    """What the library needs to go on."""
    if target == TOKEN:
        return {"access_token": "A21AA", "token_type": "Bearer", "expires_in": 32400, "scope": "", "nonce": "n"}
    return {"id": "X", "status": "CREATED", "links": []}


def repeat(sdk, call):
    """Has the library make the same call."""
    headers = dict(call["headers"])
    body = json.loads(call["body"]) if call["body"].startswith("{") else None
    options = {"paypal_request_id": headers.get("paypal-request-id"), "prefer": headers.get("prefer")}
    match [call["method"], *call["target"].strip("/").split("/")]:
        case ["POST", "v1", "oauth2", "token"]:
            # Anything has the library fetch its token.
            sdk.orders.get_order({"id": "X"})
        case ["POST", "v2", "checkout", "orders"]:
            sdk.orders.create_order(options | {"body": OrderRequest.from_dictionary(body)})
        case ["GET", "v2", "checkout", "orders", id]:
            sdk.orders.get_order({"id": id})
        case ["POST", "v2", "checkout", "orders", id, "capture"]:
            assert body == {}
            sdk.orders.capture_order(options | {"id": id, "body": OrderCaptureRequest()})
        case ["POST", "v2", "payments", "captures", id, "refund"]:
            wish = RefundRequest.from_dictionary(body)
            sdk.payments.refund_captured_payment(options | {"capture_id": id, "body": wish})
        case other:
            raise AssertionError(f"no call of the library's: {other}")


def content(body):
    """A name that the library's types do not know is not in what it sends; it spells out a default."""
    if not body.startswith("{"):
        return dict(parse_qsl(body))
    told = json.loads(body)
    context = told.get("payment_source", {}).get("paypal", {}).get("experience_context", {})
    if context.get("contact_preference") == "NO_CONTACT_INFO":
        del context["contact_preference"]
    return told


def same(call, seen):
    """The same method, address, content and headers; only the token differs."""
    method, target, headers, body = seen
    ours = {name.lower(): value for name, value in call["headers"]}
    assert (call["method"], call["target"]) == (method, target), seen
    assert content(call["body"]) == content(body), (call["body"], body)
    for name in ("paypal-request-id", "prefer"):
        assert ours.get(name) == headers.get(name), name
    if call["body"]:
        assert ours["content-type"].split(";")[0] == headers["content-type"].split(";")[0]
    if call["target"] == TOKEN:
        assert ours["authorization"] == headers["authorization"]
    else:
        assert ours["authorization"].startswith("Bearer ") and headers["authorization"].startswith("Bearer ")


def judged(url, seen, call):
    sdk = opened(url, Environment.PRODUCTION)
    seen.clear()
    repeat(sdk, call)
    (found,) = [it for it in seen if (it[1] == TOKEN) == (call["target"] == TOKEN)]
    same(call, found)
    for altered in (
        call | {"target": call["target"] + "x"},
        call | {"body": '{"amount":{}}'},
        call | {"headers": [["authorization", "Basic eDp5"]]},
    ):
        raises((AssertionError, KeyError), same, altered, found)
    if call["target"] != TOKEN and content(call["body"]):
        misspelt = call | {"body": json.dumps(content(call["body"]) | {"custom_idd": "x"})}
        repeat(sdk, misspelt)
        raises(AssertionError, same, misspelt, seen[-1])


def judges():
    operations = dict.fromkeys((deed["product"], deed["operation"]) for deed in GROUND["deeds"])
    with listening(answer) as (url, seen):
        for product, operation in operations:
            with check(product, operation, "judges"):
                calls = [call for deed in deeds(operation) if deed["product"] == product for call in deed["calls"]]
                assert calls
                for call in calls:
                    judged(url, seen, call)


version("paypal-server-sdk")
drives()
judges()
