"""OpenSSL's command line makes and takes UnionPay's signatures and follows its chain of certificates: those of the
vectors, of our adapter, our simulator and our ingress. `signMethod` 01: RSA with SHA-256 over the hex of a SHA-256."""

import uuid
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

import command_line as openssl
from kit import EVERY, GROUND, callbacks, check, control, deeds, form, key, post, request, settled, vectors

QR = "01/07 backTransReq.do"
PAGE = "01/01 frontTransReq.do"
APP = "01/01 appTransReq.do"
CHINA = timezone(timedelta(hours=8))
FORM = {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"}
# What stands in the name of UnionPay's certificate, between the second and the third `@`.
ORGANISATION = "中国银联股份有限公司"
TEST_ORGANISATION = "00040000:SIGN"
VECTORS = vectors()
(ACCOUNT,) = GROUND["accounts"].values()
SETTINGS, SECRETS = ACCOUNT["settings"], ACCOUNT["secrets"]
(MIDDLE,), (ROOT,) = SETTINGS["middle_certs"], SETTINGS["root_certs"]
MERCHANT_KEY = SECRETS["sign_private_key"]
PLATFORM_KEY, PLATFORM_CERTIFICATE = key("unionpay_sign.key"), key("unionpay_sign.crt")


def text_of(fields):
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "signature" and fields[name].strip())


def sign(private_key, fields):
    return openssl.sign("sha256", private_key, openssl.sha256(text_of(fields)))


def is_signed(public_key, fields):
    return openssl.verifies("sha256", public_key, openssl.sha256(text_of(fields)), fields["signature"])


def is_unionpays(fields, middle=MIDDLE, root=ROOT, is_test=True, at=None):
    """The certificate that came along leads to the root and has UnionPay's name, and its owner signed."""
    certificate = fields["signPubKeyCert"]
    organisation = openssl.common_name(certificate).split("@")[2:3]
    at = at or datetime.now(CHINA)
    return (
        openssl.is_chained(certificate, middle, root, int(at.timestamp()))
        and (organisation == [ORGANISATION] or (is_test and organisation == [TEST_ORGANISATION]))
        and is_signed(openssl.public_key_of(certificate), fields)
    )


def believed(fields):
    """A message of UnionPay's; one that is altered it did not sign."""
    assert is_unionpays(fields), fields
    assert not is_unionpays(fields | {"respMsg": "x"})
    return fields


def pairs(raw):
    """The fields of an answer, which is not percent-encoded."""
    return dict(pair.split("=", 1) for pair in raw.split("&"))


def china(at):
    return at.strftime("%Y%m%d%H%M%S")


# The signed examples by what they are of.
SIGNED = {
    (PAGE, "place"): ["front_consume"],
    (APP, "place"): ["app_consume"],
    (QR, "place"): ["qr_apply"],
    (EVERY, "query"): ["query", "blank_value_dropped"],
    (EVERY, "refund"): ["refund"],
}


def agrees():
    merchant = VECTORS["merchant"]
    assert openssl.serial_decimal(merchant["cert_pem"]) == merchant["certId_decimal"]
    public_key = openssl.public_key_of(merchant["cert_pem"])
    examples = {example["name"]: example for example in VECTORS["request_sign"]}
    for (product, operation), names in SIGNED.items():
        with check(product, operation, "agrees"):
            for name in names:
                example = examples[name]
                fields = example["fields"]
                assert text_of(fields) == example["string_to_sign"], name
                assert openssl.sha256(text_of(fields)) == example["sha256_hex"], name
                assert sign(merchant["private_key_pem"], fields) == example["signature"], name
                altered = fields | {"merId": "777290058110000", "signature": example["signature"]}
                assert not is_signed(public_key, altered), name
            if operation == "query":
                takes_the_answer()
    with check(EVERY, "payment_callback", "agrees"):
        told = [it for it in VECTORS["response_verify"] if it["fields"]["txnType"] == "01"]
        assert {example["expect"] for example in told} == {"ok", "reject_cn", "reject_chain", "reject_signature"}
        for example in told:
            fields = form(example["raw"])
            assert judged(example, fields) == (example["expect"] == "ok"), example["name"]


def takes_the_answer():
    (example,) = [it for it in VECTORS["response_verify"] if it["transport"].startswith("sync_response")]
    fields = pairs(example["raw"])
    assert judged(example, fields) and not judged(example, fields | {"origRespCode": "05"})


def judged(example, fields):
    chain = VECTORS["unionpay_ca"]
    is_test = not example["validate_cn_strict_prod"]
    at = datetime.fromisoformat(example["now"])
    return is_unionpays(fields, chain["middle_pem"], chain["root_pem"], is_test, at)


def message(changes, private_key=MERCHANT_KEY):
    """A message of the merchant's."""
    fields = {
        "version": "5.1.0",
        "encoding": "UTF-8",
        "signMethod": "01",
        "accessType": "0",
        "merId": SETTINGS["mer_id"],
        "certId": openssl.serial_decimal(SETTINGS["sign_cert"]),
        "txnTime": china(datetime.now(CHINA)),
    } | changes
    return fields | {"signature": sign(private_key, fields)}


def payment(number, sub_type, biz_type, **more):
    return {
        "txnType": "01",
        "txnSubType": sub_type,
        "bizType": biz_type,
        "channelType": "08",
        "orderId": number,
        "txnAmt": "1234",
        "currencyCode": "156",
        "backUrl": GROUND["sink"],
    } | more


def call(endpoint, fields, sandbox=None):
    status, answer = post(f"{sandbox or GROUND['sandbox']}/gateway/api/{endpoint}", urlencode(fields), FORM)
    assert status == 200, (status, answer)
    return answer


def asked(endpoint, changes, sandbox=None):
    """The answer to a message of the merchant's, which UnionPay signed. Altered or signed by somebody else, the message
    is refused."""
    good = message(changes)
    for bad in (good | {"bizType": "000301"}, message(changes, PLATFORM_KEY)):
        assert believed(pairs(call(endpoint, bad, sandbox)))["respCode"] == "11"
    answer = believed(pairs(call(endpoint, good, sandbox)))
    assert answer["respCode"] == "00", answer
    return good, answer


def queried(placed):
    """What UnionPay says of a transaction, which is known by its number and its time."""
    names = {"bizType", "orderId", "txnTime"}
    _, answer = asked(
        "queryTrans.do",
        {"txnType": "00", "txnSubType": "00"} | {name: placed[name] for name in names},
    )
    return answer


def paid():
    placed, answer = asked("backTransReq.do", payment(uuid.uuid4().hex, "07", "000000"))
    assert answer["qrCode"].endswith(placed["orderId"]), answer
    control(f"orders/{placed['orderId']}/pay")
    return placed


def refund_of(placed, query_id, fen):
    return {
        "txnType": "04",
        "txnSubType": "00",
        "bizType": placed["bizType"],
        "channelType": "08",
        "orderId": uuid.uuid4().hex,
        "txnAmt": fen,
        "currencyCode": "156",
        "backUrl": GROUND["sink"],
        "origQryId": query_id,
        "reqReserved": placed["orderId"],
    }


def refunded(placed):
    refund, answer = asked("backTransReq.do", refund_of(placed, queried(placed)["queryId"], "34"))
    assert answer["queryId"], answer
    return refund


def is_there(number):
    return request("GET", f"{GROUND['sandbox']}/control/orders/{number}")[0] == 200


def drives():
    with check(QR, "place", "drives"):
        paid()
    with check(APP, "place", "drives"):
        _, answer = asked("appTransReq.do", payment(uuid.uuid4().hex, "01", "000201"))
        assert len(answer["tn"]) == 21, answer
    with check(PAGE, "place", "drives"):
        for channel_type in ("07", "08"):
            number = uuid.uuid4().hex
            order = payment(number, "01", "000201", frontUrl=GROUND["sink"], channelType=channel_type)
            good = message(order)
            for bad in (good | {"txnAmt": "1"}, message(order, PLATFORM_KEY)):
                call("frontTransReq.do", bad)
                assert not is_there(number)
            call("frontTransReq.do", good)
            assert is_there(number)
    with check(EVERY, "query", "drives"):
        placed = paid()
        answer = queried(placed)
        assert (answer["origRespCode"], answer["txnAmt"]) == ("00", "1234"), answer
    with check(EVERY, "refund", "drives"):
        refunded(paid())
    with check(EVERY, "query_refund", "drives"):
        refund = refunded(paid())
        assert queried(refund)["origRespCode"] == "05"
        control(f"refunds/{refund['orderId']}/settle", {"outcome": "success"})
        answer = queried(refund)
        assert (answer["origRespCode"], answer["txnAmt"]) == ("00", "34"), answer


def sent(deed):
    """The messages of one operation of ours, however they go to UnionPay."""
    if deed["calls"]:
        return [form(it["body"]) for it in deed["calls"]]
    return [dict(deed["prepay"]["fields"])]


def judges():
    merchant = openssl.public_key_of(SETTINGS["sign_cert"])
    judged_here = [(QR, "place"), (APP, "place"), (PAGE, "place")]
    judged_here += [(EVERY, operation) for operation in ("query", "refund", "query_refund")]
    for product, operation in judged_here:
        with check(product, operation, "judges"):
            of_product = [deed for deed in deeds(operation) if deed["product"] == product]
            assert of_product
            for fields in (fields for deed in of_product for fields in sent(deed)):
                assert fields["certId"] == openssl.serial_decimal(SETTINGS["sign_cert"])
                assert is_signed(merchant, fields), fields
                assert not is_signed(merchant, fields | {"orderId": "1"})


def reads():
    with check(EVERY, "payment_callback", "reads"):
        number = paid()["orderId"]
        told = [believed(form(callback["body"])) for callback in callbacks(number)]
        assert [(it["txnType"], it["orderId"], it["txnAmt"]) for it in told] == [("01", number, "1234")], told
    with check(EVERY, "refund_callback", "reads"):
        placed = paid()
        refund = refunded(placed)["orderId"]
        control(f"refunds/{refund}/settle", {"outcome": "success"})
        told = [believed(form(callback["body"])) for callback in callbacks(placed["orderId"])]
        told = [(it["orderId"], it["txnAmt"], it["respCode"]) for it in told if it["txnType"] == "04"]
        assert told == [(refund, "34", "00")], told


def notification(told, private_key=PLATFORM_KEY, certificate=PLATFORM_CERTIFICATE):
    """A form that is signed with this key and shows this certificate."""
    now = datetime.now(CHINA)
    fields = {
        "version": "5.1.0",
        "encoding": "UTF-8",
        "signMethod": "01",
        "accessType": "0",
        "merId": SETTINGS["mer_id"],
        "bizType": "000000",
        "currencyCode": "156",
        "respCode": "00",
        "respMsg": "成功[0000000]",
        "traceNo": "123456",
        "traceTime": now.strftime("%m%d%H%M%S"),
        "settleDate": now.strftime("%m%d"),
        "signPubKeyCert": certificate,
    } | told
    return fields | {"signature": sign(private_key, fields)}


# A stranger who writes UnionPay's name into a certificate of his own.
STRANGER = openssl.self_made(openssl.common_name(PLATFORM_CERTIFICATE))


def forgeries(told):
    """The same notification, altered or signed by those who are not UnionPay."""
    return (
        notification(told) | {"txnAmt": "1235"},
        notification(told, MERCHANT_KEY),
        notification(told, MERCHANT_KEY, SETTINGS["sign_cert"]),
        notification(told, *STRANGER),
    )


def deliver(url, told):
    for forgery in forgeries(told):
        assert post(url, urlencode(forgery), FORM)[0] == 400, forgery
    assert post(url, urlencode(notification(told)), FORM) == (200, "ok")


def transaction_of(payment, order):
    """The payment in UnionPay's words; the order's time is the one in its number."""
    number = payment["number"]
    return {
        "txnType": "01",
        "txnSubType": "07",
        "orderId": number,
        "txnTime": china(datetime.fromtimestamp(int(number[:12], 16) / 1000, CHINA)),
        "txnAmt": "1234",
        "settleAmt": "1234",
        "queryId": order["gateway_trade_no"],
    }


def signs():
    kassa = GROUND["kassa_sandbox"]
    told = {}
    with check(EVERY, "payment_callback", "signs"):
        for payment in GROUND["payments"]:
            order = control(f"orders/{payment['number']}/pay", sandbox=kassa)
            told[payment["number"]] = transaction_of(payment, order)
            deliver(payment["callback_url"], told[payment["number"]])
    with check(EVERY, "return", "signs"):
        for payment in GROUND["payments"]:
            back = told[payment["number"]]
            for forgery in forgeries(back):
                status, page = post(payment["return_url"], urlencode(forgery), FORM)
                assert status == 200 and payment["amount"] not in page, page
            status, page = post(payment["return_url"], urlencode(notification(back)), FORM)
            assert status == 200 and payment["amount"] in page, page
    with check(EVERY, "refund_callback", "signs"):
        for payment in GROUND["payments"]:
            placed = {"bizType": "000000", "orderId": payment["number"]}
            wanted = refund_of(placed, told[payment["number"]]["queryId"], "100")
            refund, answer = asked("backTransReq.do", wanted, kassa)
            control(f"refunds/{refund['orderId']}/settle", {"outcome": "success"}, kassa)
            names = {"txnType", "txnSubType", "orderId", "txnTime", "txnAmt", "origQryId", "reqReserved"}
            about = {name: refund[name] for name in names} | {"queryId": answer["queryId"]}
            deliver(payment["refund_callback_url"], about)
            settled(payment, "REFUND_PARTIAL")


openssl.tell_version()
agrees()
drives()
judges()
reads()
signs()
