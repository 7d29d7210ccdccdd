"""Alipay's words, for the Python scripts."""

import json
import uuid

from kit import form, query

PUBLIC_KEY_MODE = "alipay-sandbox"
CERTIFICATE_MODE = "alipay-cert-sandbox"
SUBJECT = "A pot of tea 一壶茶"
BUYER_ID = "2088102146225135"


def params_of(deed):
    """The parameters of a request of ours, however it goes to Alipay."""
    if deed["calls"]:
        (call,) = deed["calls"]
        assert call["method"] == "POST", call
        return form(query(call["target"])) | form(call["body"])
    prepay = deed["prepay"]
    if prepay["kind"] == "redirect":
        return form(query(prepay["url"]))
    if prepay["kind"] == "app_order":
        return form(prepay["order_string"])
    assert prepay["kind"] == "form", prepay
    return form(query(prepay["action"])) | dict(prepay["fields"])


def order_of(params):
    return json.loads(params["biz_content"])["out_trade_no"]


def paid_notification(payment, settings, amount=None):
    """The fields of a notification that an order of Kassa's is paid, not yet signed."""
    return {
        "notify_time": "2026-01-01 08:00:05",
        "notify_type": "trade_status_sync",
        "notify_id": uuid.uuid4().hex + "00",
        "charset": "utf-8",
        "version": "1.0",
        "app_id": settings["app_id"],
        "auth_app_id": settings["app_id"],
        "trade_no": "2026010122001" + uuid.uuid4().hex[:15],
        "out_trade_no": payment["number"],
        "buyer_id": "2088101117955611",
        "seller_id": settings["seller_id"],
        "trade_status": "TRADE_SUCCESS",
        "total_amount": amount or payment["amount"],
        "receipt_amount": payment["amount"],
        "subject": SUBJECT,
        "gmt_create": "2026-01-01 08:00:00",
        "gmt_payment": "2026-01-01 08:00:04",
    }


def back_from_the_cashier(payment, settings):
    """The query with which a payer's browser comes back, not yet signed."""
    return {
        "app_id": settings["app_id"],
        "method": "alipay.trade.page.pay.return",
        "charset": "utf-8",
        "timestamp": "2026-01-01 08:00:05",
        "version": "1.0",
        "out_trade_no": payment["number"],
        "trade_no": "2026010122001400000000000001",
        "total_amount": payment["amount"],
        "seller_id": settings["seller_id"],
    }
