// alipay-sdk, Alipay's own, in public-key and certificate mode, on the other side.
'use strict';

const { createPublicKey, createPrivateKey } = require('node:crypto');
const { AlipaySdk } = require('alipay-sdk');
const {
  GROUND, EVERY, assert, version, check, refuses, key, request, control, callbacks, form, number,
} = require('../kit/kit.cjs');

const CERTIFICATE_MODE = 'alipay-cert-sandbox';
const SUBJECT = 'A pot of tea 一壶茶';
const BUYER_ID = '2088102146225135';

// The SDK as the merchant's, pointed at the simulator.
const opened = ({ settings, secrets }) => new AlipaySdk({
  appId: settings.app_id,
  privateKey: secrets.app_private_key,
  keyType: 'PKCS8',
  gateway: settings.gateway_url,
  camelcase: false,
  ...(settings.mode === 'certificate'
    ? {
      appCertContent: settings.app_cert,
      alipayPublicCertContent: settings.alipay_certs[0],
      alipayRootCertContent: settings.alipay_root_cert,
    }
    : { alipayPublicKey: settings.alipay_public_keys[0] }),
});

// The SDK in Alipay's place: it knows the app's public key.
const platform = ({ secrets }) => {
  const publicKey = createPublicKey(createPrivateKey(secrets.app_private_key));
  return new AlipaySdk({
    appId: '-',
    privateKey: key('alipay_platform.key'),
    keyType: 'PKCS8',
    alipayPublicKey: publicKey.export({ type: 'spki', format: 'pem' }),
  });
};

const sdks = Object.values(GROUND.accounts).map(opened);

const execute = async (sdk, method, bizContent, extra = {}) => {
  const answer = await sdk.exec(method, { bizContent, ...extra }, { validateSign: true });
  assert.equal(answer.code, '10000', JSON.stringify(answer));
  return answer;
};

const order = (outTradeNo, productCode) => ({
  out_trade_no: outTradeNo, total_amount: '12.34', subject: SUBJECT, product_code: productCode,
});

const placed = async (sdk) => {
  const outTradeNo = number('N');
  const content = order(outTradeNo, 'QR_CODE_OFFLINE');
  const answer = await execute(sdk, 'alipay.trade.precreate', content, { notifyUrl: GROUND.sink });
  assert.ok(answer.qr_code, JSON.stringify(answer));
  return outTradeNo;
};

const paid = async (sdk) => {
  const outTradeNo = await placed(sdk);
  await control(`orders/${outTradeNo}/pay`);
  return outTradeNo;
};

const drivesCashier = (product, productCode, make) => check(product, 'place', 'drives', async () => {
  for (const sdk of sdks) {
    const outTradeNo = number('N');
    const signed = make(sdk, order(outTradeNo, productCode));
    assert.deepEqual(await control('alipay/present', { request: signed }), { out_trade_no: outTradeNo });
    const altered = signed.replace('12.34', '12.35');
    assert.notEqual(altered, signed);
    assert.ok(await refuses(() => control('alipay/present', { request: altered })));
  }
});

const drives = async () => {
  await check('alipay.trade.precreate', 'place', 'drives', async () => {
    for (const sdk of sdks) await placed(sdk);
  });
  await check('alipay.trade.create', 'place', 'drives', async () => {
    for (const sdk of sdks) {
      const content = {
        ...order(number('N'), 'JSAPI_PAY'), op_app_id: sdk.config.appId, buyer_id: BUYER_ID,
      };
      const { trade_no: tradeNo } = await execute(sdk, 'alipay.trade.create', content, { notifyUrl: GROUND.sink });
      await control(`orders/${tradeNo}/pay`);
      const { buyer_id: _, ...nobodys } = content;
      const refused = await sdk.exec('alipay.trade.create', { bizContent: nobodys }, { validateSign: true });
      assert.equal(refused.code, '40004', JSON.stringify(refused));
    }
  });
  for (const [product, code] of [
    ['alipay.trade.page.pay', 'FAST_INSTANT_TRADE_PAY'],
    ['alipay.trade.wap.pay', 'QUICK_WAP_WAY'],
  ]) {
    await drivesCashier(product, code, (sdk, bizContent) => sdk.pageExecute(product, 'GET', { bizContent }));
  }
  await drivesCashier('alipay.trade.app.pay', 'QUICK_MSECURITY_PAY', (sdk, bizContent) => (
    `${sdk.config.gateway}?${sdk.sdkExecute('alipay.trade.app.pay', { bizContent })}`
  ));
  await check(EVERY, 'query', 'drives', async () => {
    for (const sdk of sdks) {
      const answer = await execute(sdk, 'alipay.trade.query', { out_trade_no: await paid(sdk) });
      assert.equal(answer.trade_status, 'TRADE_SUCCESS');
      assert.equal(answer.total_amount, '12.34');
    }
  });
  const refunded = async (sdk) => {
    const content = { out_trade_no: await paid(sdk), refund_amount: '0.34', out_request_no: number('R') };
    const answer = await execute(sdk, 'alipay.trade.refund', content);
    assert.equal(answer.fund_change, 'Y');
    return content;
  };
  await check(EVERY, 'refund', 'drives', async () => {
    for (const sdk of sdks) await refunded(sdk);
  });
  await check(EVERY, 'query_refund', 'drives', async () => {
    for (const sdk of sdks) {
      const { refund_amount: _, ...content } = await refunded(sdk);
      const answer = await execute(sdk, 'alipay.trade.fastpay.refund.query', content);
      assert.equal(answer.refund_status, 'REFUND_SUCCESS');
    }
  });
  await check(EVERY, 'close', 'drives', async () => {
    for (const sdk of sdks) {
      const outTradeNo = await placed(sdk);
      await request('GET', `${GROUND.sandbox}/payer/alipay/${outTradeNo}`);
      await execute(sdk, 'alipay.trade.close', { out_trade_no: outTradeNo });
    }
  });
};

const query = (url) => new URL(url, GROUND.sandbox).search.slice(1);

// The parameters of a request of ours, however it goes to Alipay.
const paramsOf = ({ calls, prepay }) => {
  if (calls.length > 0) return { ...form(query(calls[0].target)), ...form(calls[0].body) };
  if (prepay.kind === 'redirect') return form(query(prepay.url));
  if (prepay.kind === 'app_order') return form(prepay.order_string);
  assert.equal(prepay.kind, 'form');
  return { ...form(query(prepay.action)), ...Object.fromEntries(prepay.fields) };
};

const judges = async () => {
  const operations = new Set(GROUND.deeds.map(({ product, operation }) => `${product}/${operation}`));
  for (const name of operations) {
    const [product, operation] = name.split('/');
    await check(product, operation, 'judges', async () => {
      for (const deed of GROUND.deeds.filter((it) => `${it.product}/${it.operation}` === name)) {
        const account = GROUND.accounts[deed.account];
        const { sign, ...params } = paramsOf(deed);
        const alipay = platform(account);
        assert.ok(alipay.notifyRSACheck(params, sign, 'RSA2', true), JSON.stringify(params));
        const altered = { ...params, biz_content: params.biz_content.replace('{', '{"a":1,') };
        assert.ok(!alipay.notifyRSACheck(altered, sign, 'RSA2', true));
        const merchant = opened(account);
        assert.equal(params.app_cert_sn, merchant.config.appCertSn);
        assert.equal(params.alipay_root_cert_sn, merchant.config.alipayRootCertSn);
        assert.equal(params.app_cert_sn !== undefined, deed.account === CERTIFICATE_MODE);
      }
    });
  }
};

const reads = () => check(EVERY, 'payment_callback', 'reads', async () => {
  for (const sdk of sdks) {
    const [callback, ...others] = await callbacks(await paid(sdk));
    assert.equal(others.length, 0);
    const fields = form(callback.body);
    assert.ok(sdk.checkNotifySignV2(fields));
    assert.ok(!sdk.checkNotifySignV2({ ...fields, total_amount: '12.35' }));
  }
});

(async () => {
  version('alipay-sdk');
  await drives();
  await judges();
  await reads();
})();
