// wechatpay-node-v3, with platform certificates and with the public key, on the other side.
'use strict';

const { createPublicKey } = require('node:crypto');
const Pay = require('wechatpay-node-v3');
const {
  GROUND, EVERY, assert, version, check, control, callbacks, number,
} = require('../kit/kit.cjs');
const {
  ORDER, PRODUCTS, platformKeys, authorizationOf, invocationOf, operations, lowered,
} = require('./shared.cjs');

const WECHAT = 'https://api.mch.weixin.qq.com';

// The keys as the SDK keeps them, for all its instances.
const publicPem = (pem) => createPublicKey(pem).export({ type: 'spki', format: 'pem' });
Pay.certificates = Object.fromEntries(Object.values(GROUND.accounts).flatMap((account) => (
  Object.entries(platformKeys(account)).map(([serial, pem]) => [serial, publicPem(pem)])
)));

// The SDK as the merchant's. It leaves verifying the answers to its user.
const opened = ({ settings, secrets }) => {
  const sdk = new Pay({
    appid: settings.appid,
    mchid: settings.mchid,
    serial_no: settings.merchant_serial_no,
    publicKey: Buffer.from('the serial is given'),
    privateKey: Buffer.from(secrets.merchant_private_key),
    key: secrets.apiv3_key,
  });
  const exchange = async (method, url, headers, params) => {
    const body = params && JSON.stringify(params);
    const answer = await fetch(url.replace(WECHAT, GROUND.sandbox), { method, headers, body });
    const text = await answer.text();
    assert.ok(answer.ok, text);
    assert.ok(await verifies(sdk, Object.fromEntries(answer.headers), text));
    return { status: answer.status, data: text ? JSON.parse(text) : null };
  };
  sdk.createHttp({
    get: (url, headers) => exchange('GET', url, headers),
    post: (url, params, headers) => exchange('POST', url, headers, params),
  });
  return sdk;
};

const verifies = (sdk, headers, body) => sdk.verifySign({
  timestamp: headers['wechatpay-timestamp'],
  nonce: headers['wechatpay-nonce'],
  serial: headers['wechatpay-serial'],
  signature: headers['wechatpay-signature'],
  body,
});

const sdks = Object.fromEntries(Object.entries(GROUND.accounts).map(([code, account]) => [code, opened(account)]));

const placed = async (sdk, product = 'native') => {
  const outTradeNo = number('V');
  const [more, wanted] = PRODUCTS[product];
  const { data } = await sdk[`transactions_${product}`]({ out_trade_no: outTradeNo, ...ORDER, ...more });
  // For clients the SDK makes the signed parameters of the prepay id at once.
  const isMade = data[wanted] || data.paySign || data.sign;
  assert.ok(isMade, JSON.stringify(data));
  return outTradeNo;
};

const paid = async (sdk) => {
  const outTradeNo = await placed(sdk);
  await control(`orders/${outTradeNo}/pay`);
  return outTradeNo;
};

const refunded = async (sdk, outTradeNo) => {
  const { data } = await sdk.refunds({
    out_trade_no: outTradeNo,
    out_refund_no: number('R'),
    notify_url: GROUND.sink,
    amount: { refund: 34, total: 1234, currency: 'CNY' },
  });
  assert.equal(data.status, 'PROCESSING');
  return data;
};

const everyone = async (act) => {
  for (const sdk of Object.values(sdks)) await act(sdk);
};

const drives = async () => {
  for (const product of Object.keys(PRODUCTS)) {
    await check(`/v3/pay/transactions/${product}`, 'place', 'drives', () => (
      everyone((sdk) => placed(sdk, product))
    ));
  }
  await check(EVERY, 'query', 'drives', () => everyone(async (sdk) => {
    const { data } = await sdk.query({ out_trade_no: await paid(sdk) });
    assert.equal(data.trade_state, 'SUCCESS');
    assert.equal(data.amount.total, 1234);
  }));
  await check(EVERY, 'close', 'drives', () => everyone(async (sdk) => {
    const outTradeNo = await placed(sdk);
    assert.equal((await sdk.close(outTradeNo)).status, 204);
    assert.equal((await sdk.query({ out_trade_no: outTradeNo })).data.trade_state, 'CLOSED');
  }));
  await check(EVERY, 'refund', 'drives', () => everyone(async (sdk) => {
    await refunded(sdk, await paid(sdk));
  }));
  await check(EVERY, 'query_refund', 'drives', () => everyone(async (sdk) => {
    const refund = await refunded(sdk, await paid(sdk));
    await control(`refunds/${refund.out_refund_no}/settle`, { outcome: 'success' });
    const { data } = await sdk.find_refunds(refund.out_refund_no);
    assert.equal(data.status, 'SUCCESS');
    assert.equal(data.amount.refund, 34);
  }));
};

// RSA signatures of this kind are the same each time: the SDK makes the very one that our adapter sent.
const judges = async () => {
  for (const [name, deeds] of operations()) {
    const [product, operation] = name.split('\n');
    await check(product, operation, 'judges', async () => {
      for (const { account: code, calls: [call], prepay } of deeds) {
        const given = authorizationOf(call);
        const signed = (body) => sdks[code].getSignature(
          call.method, given.nonce_str, given.timestamp, call.target, body,
        );
        assert.equal(given.signature, signed(call.body));
        assert.notEqual(given.signature, signed(`${call.body} `));
        const invocation = operation === 'place' && invocationOf(prepay);
        if (invocation) {
          const [parts, signature] = invocation;
          assert.equal(signature, sdks[code].sign(`${parts.join('\n')}\n`));
        }
      }
    });
  }
};

// Verifies a callback and opens what it brings.
const read = async (sdk, callback) => {
  const headers = lowered(callback.headers);
  assert.ok(await verifies(sdk, headers, callback.body));
  assert.ok(!(await verifies(sdk, headers, `${callback.body} `)));
  const { event_type: kind, resource } = JSON.parse(callback.body);
  return { kind, ...sdk.decipher_gcm(resource.ciphertext, resource.associated_data, resource.nonce) };
};

const reads = async () => {
  await check(EVERY, 'payment_callback', 'reads', () => everyone(async (sdk) => {
    const outTradeNo = await paid(sdk);
    const [callback, ...others] = await callbacks(outTradeNo);
    assert.equal(others.length, 0);
    const told = await read(sdk, callback);
    assert.equal(told.out_trade_no, outTradeNo);
    assert.equal(told.amount.total, 1234);
  }));
  await check(EVERY, 'refund_callback', 'reads', () => everyone(async (sdk) => {
    const outTradeNo = await paid(sdk);
    const refund = await refunded(sdk, outTradeNo);
    await control(`refunds/${refund.out_refund_no}/settle`, { outcome: 'success' });
    const told = await Promise.all((await callbacks(outTradeNo)).map((callback) => read(sdk, callback)));
    const [ended] = told.filter(({ kind }) => kind === 'REFUND.SUCCESS');
    assert.equal(ended.out_refund_no, refund.out_refund_no);
    assert.equal(ended.amount.refund, 34);
  }));
};

(async () => {
  version('wechatpay-node-v3');
  await drives();
  await judges();
  await reads();
})();
