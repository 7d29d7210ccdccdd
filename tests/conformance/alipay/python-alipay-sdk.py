"""python-alipay-sdk, public-key and certificate mode, on the other side."""

import uuid
from urllib.parse import urlencode

from alipay import AliPay, DCAliPay
from Cryptodome.PublicKey import RSA
from kit import EVERY, GROUND, callbacks, check, control, deeds, form, key, post, refuses, request, settled, version
from alipay_words import (
    BUYER_ID, CERTIFICATE_MODE, PUBLIC_KEY_MODE, SUBJECT, back_from_the_cashier, paid_notification, params_of,
)


def opened(code):
    """The SDK as the merchant's, pointed at the simulator."""
    account = GROUND["accounts"][code]
    settings, private = account["settings"], account["secrets"]["app_private_key"]
    if code == CERTIFICATE_MODE:
        sdk = DCAliPay(
            appid=settings["app_id"],
            app_notify_url=GROUND["sink"],
            app_private_key_string=private,
            app_public_key_cert_string=settings["app_cert"],
            alipay_public_key_cert_string=settings["alipay_certs"][0],
            alipay_root_cert_string=settings["alipay_root_cert"],
        )
    else:
        sdk = AliPay(
            appid=settings["app_id"],
            app_notify_url=GROUND["sink"],
            app_private_key_string=private,
            alipay_public_key_string=settings["alipay_public_keys"][0],
        )
    sdk._gateway = settings["gateway_url"]
    return sdk


def judge(code):
    """The SDK in Alipay's place: it knows the app's public key."""
    private = RSA.import_key(GROUND["accounts"][code]["secrets"]["app_private_key"])
    return AliPay(
        appid="-",
        app_private_key_string=key("alipay_platform.key"),
        alipay_public_key_string=private.public_key().export_key().decode(),
    )


SDKS = {code: opened(code) for code in (PUBLIC_KEY_MODE, CERTIFICATE_MODE)}
PLATFORM = judge(PUBLIC_KEY_MODE)


def new_number():
    return "T" + uuid.uuid4().hex


def placed(sdk):
    number = new_number()
    answer = sdk.api_alipay_trade_precreate(SUBJECT, number, "12.34", product_code="QR_CODE_OFFLINE")
    assert answer["code"] == "10000" and answer["qr_code"], answer
    return number


def created(sdk, **buyer):
    """A trade for one payer inside Alipay."""
    return sdk.api_alipay_trade_create(
        SUBJECT, new_number(), "12.34", product_code="JSAPI_PAY", op_app_id=sdk.appid, **buyer
    )


def charge(sdk, number, code):
    return sdk.api_alipay_trade_pay(number, "bar_code", code, SUBJECT, total_amount="12.34")


def charged(sdk, conduct):
    """What becomes of the code of a payer who does that."""
    number = new_number()
    code = control("codes", {"gateway": "alipay", "conduct": conduct})["code"]
    return number, charge(sdk, number, code)


def paid(sdk):
    number = placed(sdk)
    control(f"orders/{number}/pay")
    return number


def drive_cashier(product, make):
    with check(product, "place", "drives"):
        for sdk in SDKS.values():
            number = new_number()
            signed = make(sdk, number)
            shown = control("alipay/present", {"request": f"{sdk._gateway}?{signed}"})
            assert shown == {"out_trade_no": number}, shown
            control(f"orders/{number}/pay")
            assert sdk.api_alipay_trade_query(out_trade_no=number)["trade_status"] == "TRADE_SUCCESS"
            altered = signed.replace("12.34", "12.35")
            assert altered != signed
            assert refuses(control, "alipay/present", {"request": f"{sdk._gateway}?{altered}"})


def drives():
    with check("alipay.trade.precreate", "place", "drives"):
        for sdk in SDKS.values():
            placed(sdk)
    drive_cashier("alipay.trade.page.pay", lambda sdk, number: sdk.api_alipay_trade_page_pay(SUBJECT, number, "12.34"))
    # The SDK's own product code is one that Alipay does not document.
    drive_cashier(
        "alipay.trade.wap.pay",
        lambda sdk, number: sdk.api_alipay_trade_wap_pay(SUBJECT, number, "12.34", product_code="QUICK_WAP_WAY"),
    )
    drive_cashier("alipay.trade.app.pay", lambda sdk, number: sdk.api_alipay_trade_app_pay(SUBJECT, number, "12.34"))
    with check("alipay.trade.create", "place", "drives"):
        for sdk in SDKS.values():
            answer = created(sdk, buyer_id=BUYER_ID)
            assert answer["code"] == "10000", answer
            control(f"orders/{answer['trade_no']}/pay")
            paid_one = sdk.api_alipay_trade_query(trade_no=answer["trade_no"])
            assert paid_one["trade_status"] == "TRADE_SUCCESS" and paid_one["buyer_user_id"] == BUYER_ID, paid_one
            assert created(sdk, buyer_open_id="074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5")["code"] == "10000"
            assert created(sdk)["sub_code"] == "ACQ.INVALID_PARAMETER"
    with check("alipay.trade.pay", "place", "drives"):
        for sdk in SDKS.values():
            number, answer = charged(sdk, "pays")
            assert answer["code"] == "10000" and answer["total_amount"] == "12.34", answer
            assert sdk.api_alipay_trade_query(out_trade_no=number)["trade_status"] == "TRADE_SUCCESS"
            used = control("codes", {"gateway": "alipay", "conduct": "pays"})["code"]
            for code in ("10003", "10000", "40004"):
                conduct = {"10003": "is_asked", "10000": "pays", "40004": "lacks_money"}[code]
                assert charged(sdk, conduct)[1]["code"] == code
            assert charge(sdk, new_number(), used)["code"] == "10000"
            assert charge(sdk, new_number(), used)["sub_code"] == "ACQ.PAYMENT_AUTH_CODE_INVALID"
    with check("alipay.trade.pay", "cancel", "drives"):
        for sdk in SDKS.values():
            number, _ = charged(sdk, "is_asked")
            answer = sdk.api_alipay_trade_cancel(out_trade_no=number)
            assert (answer["action"], answer["retry_flag"]) == ("close", "N"), answer
            number, _ = charged(sdk, "pays")
            assert sdk.api_alipay_trade_cancel(out_trade_no=number)["action"] == "refund"
            assert sdk.api_alipay_trade_query(out_trade_no=number)["trade_status"] == "TRADE_CLOSED"
    with check(EVERY, "query", "drives"):
        for sdk in SDKS.values():
            answer = sdk.api_alipay_trade_query(out_trade_no=paid(sdk))
            assert answer["trade_status"] == "TRADE_SUCCESS" and answer["total_amount"] == "12.34", answer
    with check(EVERY, "refund", "drives"):
        for sdk in SDKS.values():
            answer = sdk.api_alipay_trade_refund("0.34", out_trade_no=paid(sdk), out_request_no=new_number())
            assert answer["code"] == "10000" and answer["fund_change"] == "Y", answer
    with check(EVERY, "query_refund", "drives"):
        for sdk in SDKS.values():
            order, refund = paid(sdk), new_number()
            sdk.api_alipay_trade_refund("0.34", out_trade_no=order, out_request_no=refund)
            answer = sdk.api_alipay_trade_fastpay_refund_query(refund, out_trade_no=order)
            assert answer["refund_status"] == "REFUND_SUCCESS" and answer["refund_amount"] == "0.34", answer
    with check(EVERY, "close", "drives"):
        for sdk in SDKS.values():
            number = placed(sdk)
            status, _ = request("GET", f"{GROUND['sandbox']}/payer/alipay/{number}")
            assert status == 200
            assert sdk.api_alipay_trade_close(out_trade_no=number)["code"] == "10000"
            assert sdk.api_alipay_trade_query(out_trade_no=number)["trade_status"] == "TRADE_CLOSED"


def verifies_request(platform, params):
    """As Alipay verifies: everything but the signature, sorted."""
    params = dict(params)
    sign = params.pop("sign")
    content = "&".join(f"{name}={value}" for name, value in platform._ordered_data(params))
    return platform._verify(content, sign)


def judges():
    operations = [(deed["product"], deed["operation"]) for deed in GROUND["deeds"]]
    for product, operation in dict.fromkeys(operations):
        with check(product, operation, "judges"):
            for deed in deeds(operation):
                if deed["product"] != product:
                    continue
                params = params_of(deed)
                platform = judge(deed["account"])
                assert verifies_request(platform, params), params
                altered = params | {"biz_content": params["biz_content"].replace("{", '{"a":1,', 1)}
                assert not verifies_request(platform, altered)
                if deed["account"] == CERTIFICATE_MODE:
                    sdk = SDKS[CERTIFICATE_MODE]
                    assert params["app_cert_sn"] == sdk.app_cert_sn
                    assert params["alipay_root_cert_sn"] == sdk.alipay_root_cert_sn
                else:
                    assert "app_cert_sn" not in params


def reads():
    with check(EVERY, "payment_callback", "reads"):
        for sdk in SDKS.values():
            number = paid(sdk)
            (callback,) = callbacks(number)
            fields = form(callback["body"])
            sign = fields.pop("sign")
            assert fields["total_amount"] == "12.34" and fields["out_trade_no"] == number
            assert sdk.verify(dict(fields), sign)
            assert not sdk.verify(fields | {"total_amount": "12.35"}, sign)


def signed(fields):
    """As Alipay signs a notification or a return: without the kind of signature."""
    content = "&".join(f"{name}={value}" for name, value in PLATFORM._ordered_data(dict(fields)))
    return urlencode(fields | {"sign_type": "RSA2", "sign": PLATFORM._sign(content)})


def signs():
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    with check(EVERY, "payment_callback", "signs"):
        for payment in GROUND["payments"]:
            settings = GROUND["accounts"][payment["account"]]["settings"]
            body = signed(paid_notification(payment, settings))
            altered = body.replace("total_amount=12.34", "total_amount=12.35")
            assert altered != body
            assert post(payment["callback_url"], altered, headers)[1] != "success"
            control(f"orders/{payment['number']}/pay", sandbox=GROUND["kassa_sandbox"])
            assert post(payment["callback_url"], body, headers) == (200, "success")
            settled(payment)
    with check(EVERY, "return", "signs"):
        for payment in GROUND["payments"]:
            settings = GROUND["accounts"][payment["account"]]["settings"]
            back = signed(back_from_the_cashier(payment, settings))
            status, page = request("GET", f"{payment['return_url']}?{back}")
            assert status == 200 and payment["amount"] in page, page
            altered = back.replace("08%3A00%3A05", "08%3A00%3A06")
            assert altered != back
            status, page = request("GET", f"{payment['return_url']}?{altered}")
            assert status == 200 and payment["amount"] not in page, page


version("python-alipay-sdk")
drives()
judges()
reads()
signs()
