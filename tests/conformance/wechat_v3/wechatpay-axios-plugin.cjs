// wechatpay-axios-plugin, with platform certificates and with the public key, on the other side.
'use strict';

const { createPublicKey, createPrivateKey, randomUUID } = require('node:crypto');
const {
  Wechatpay, Rsa, Aes: { AesGcm }, Formatter,
} = require('wechatpay-axios-plugin');
const {
  GROUND, EVERY, assert, version, settled, check, key, post, control, callbacks, number,
} = require('../kit/kit.cjs');
const {
  ORDER, PRODUCTS, platformKeys, authorizationOf, invocationOf, operations, lowered,
} = require('./shared.cjs');

// The SDK as the merchant's. It verifies every answer.
const opened = (account) => new Wechatpay({
  baseURL: `${GROUND.sandbox}/`,
  mchid: account.settings.mchid,
  serial: account.settings.merchant_serial_no,
  privateKey: account.secrets.merchant_private_key,
  certs: platformKeys(account),
});

const merchants = Object.values(GROUND.accounts).map((account) => ({ account, sdk: opened(account) }));

const placed = async ({ account: { settings }, sdk }, product = 'native') => {
  const outTradeNo = number('A');
  const [more, wanted] = PRODUCTS[product];
  const { appid, mchid } = settings;
  const order = { appid, mchid, out_trade_no: outTradeNo, ...ORDER, ...more };
  const { data } = await sdk.chain(`v3/pay/transactions/${product}`).post(order);
  assert.ok(data[wanted], JSON.stringify(data));
  return outTradeNo;
};

// What becomes of the code of a payer who does that.
const charged = async ({ account: { settings }, sdk }, conduct) => {
  const outTradeNo = number('C');
  const { code } = await control('codes', { gateway: 'wechat_v3', conduct });
  const { appid, mchid } = settings;
  const { data } = await sdk.chain('v3/pay/transactions/codepay').post({
    appid,
    mchid,
    description: ORDER.description,
    out_trade_no: outTradeNo,
    payer: { auth_code: code },
    amount: ORDER.amount,
    scene_info: { store_info: { out_id: settings.store_out_id } },
  });
  assert.equal(data.out_trade_no, outTradeNo);
  return data;
};

const paid = async (merchant) => {
  const outTradeNo = await placed(merchant);
  await control(`orders/${outTradeNo}/pay`);
  return outTradeNo;
};

const query = async ({ account, sdk }, outTradeNo) => {
  const { mchid } = account.settings;
  const url = 'v3/pay/transactions/out-trade-no/{out_trade_no}';
  const { data } = await sdk.chain(url).get({ params: { mchid }, out_trade_no: outTradeNo });
  return data;
};

const refunded = async ({ sdk }, outTradeNo) => {
  const { data } = await sdk.chain('v3/refund/domestic/refunds').post({
    out_trade_no: outTradeNo,
    out_refund_no: number('R'),
    notify_url: GROUND.sink,
    amount: { refund: 34, total: 1234, currency: 'CNY' },
  });
  assert.equal(data.status, 'PROCESSING');
  return data;
};

const everyone = async (act) => {
  for (const merchant of merchants) await act(merchant);
};

const drives = async () => {
  for (const product of Object.keys(PRODUCTS)) {
    await check(`/v3/pay/transactions/${product}`, 'place', 'drives', () => (
      everyone((merchant) => placed(merchant, product))
    ));
  }
  await check('/v3/pay/transactions/codepay', 'place', 'drives', () => everyone(async (merchant) => {
    const order = await charged(merchant, 'pays');
    assert.deepEqual([order.trade_state, order.amount.total], ['SUCCESS', 1234]);
    assert.equal((await query(merchant, order.out_trade_no)).trade_state, 'SUCCESS');
    assert.equal((await charged(merchant, 'is_asked')).trade_state, 'USERPAYING');
    await assert.rejects(charged(merchant, 'lacks_money'));
  }));
  await check('/v3/pay/transactions/codepay', 'cancel', 'drives', () => everyone(async (merchant) => {
    const { appid, mchid } = merchant.account.settings;
    const url = 'v3/pay/transactions/out-trade-no/{out_trade_no}/reverse';
    for (const conduct of ['pays', 'is_asked']) {
      const { out_trade_no: outTradeNo } = await charged(merchant, conduct);
      const { data } = await merchant.sdk.chain(url).post({ appid, mchid }, { out_trade_no: outTradeNo });
      assert.equal(data.out_trade_no, outTradeNo);
      assert.equal((await query(merchant, outTradeNo)).trade_state, 'REVOKED');
    }
  }));
  await check(EVERY, 'query', 'drives', () => everyone(async (merchant) => {
    const order = await query(merchant, await paid(merchant));
    assert.equal(order.trade_state, 'SUCCESS');
    assert.equal(order.amount.total, 1234);
  }));
  await check(EVERY, 'close', 'drives', () => everyone(async (merchant) => {
    const outTradeNo = await placed(merchant);
    const { mchid } = merchant.account.settings;
    const url = 'v3/pay/transactions/out-trade-no/{out_trade_no}/close';
    const answer = await merchant.sdk.chain(url).post({ mchid }, { out_trade_no: outTradeNo });
    assert.equal(answer.status, 204);
    assert.equal((await query(merchant, outTradeNo)).trade_state, 'CLOSED');
  }));
  await check(EVERY, 'refund', 'drives', () => everyone(async (merchant) => {
    await refunded(merchant, await paid(merchant));
  }));
  await check(EVERY, 'query_refund', 'drives', () => everyone(async (merchant) => {
    const refund = await refunded(merchant, await paid(merchant));
    await control(`refunds/${refund.out_refund_no}/settle`, { outcome: 'success' });
    const url = 'v3/refund/domestic/refunds/{out_refund_no}';
    const { data } = await merchant.sdk.chain(url).get({ out_refund_no: refund.out_refund_no });
    assert.equal(data.status, 'SUCCESS');
    assert.equal(data.amount.refund, 34);
  }));
  await check(EVERY, 'refund_to_merchant', 'drives', () => everyone(async (merchant) => {
    const refund = await refunded(merchant, await paid(merchant));
    await control(`refunds/${refund.out_refund_no}/settle`, { outcome: 'abnormal' });
    const url = 'v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund';
    const wish = { out_refund_no: refund.out_refund_no, type: 'MERCHANT_BANK_CARD' };
    const answer = await merchant.sdk.chain(url).post(wish, { refund_id: refund.refund_id });
    assert.equal(answer.status, 200);
  }));
};

const judges = async () => {
  for (const [name, deeds] of operations()) {
    const [product, operation] = name.split('\n');
    await check(product, operation, 'judges', async () => {
      for (const { account: code, calls: [call], prepay } of deeds) {
        const { settings, secrets } = GROUND.accounts[code];
        const given = authorizationOf(call);
        assert.equal(given.mchid, settings.mchid);
        assert.equal(given.serial_no, settings.merchant_serial_no);
        const publicKey = createPublicKey(createPrivateKey(secrets.merchant_private_key));
        const verifies = (body) => Rsa.verify(
          Formatter.request(call.method, call.target, given.timestamp, given.nonce_str, body),
          given.signature,
          publicKey,
        );
        assert.ok(verifies(call.body));
        assert.ok(!verifies(`${call.body} `));
        const invocation = operation === 'place' && invocationOf(prepay);
        if (invocation) {
          const [parts, signature] = invocation;
          assert.ok(Rsa.verify(Formatter.joinedByLineFeed(...parts), signature, publicKey));
        }
      }
    });
  }
};

// Verifies a callback and opens what it brings.
const read = (account, callback) => {
  const headers = lowered(callback.headers);
  const [stamp, nonce] = [headers['wechatpay-timestamp'], headers['wechatpay-nonce']];
  const publicKey = Rsa.from(platformKeys(account)[headers['wechatpay-serial']], Rsa.KEY_TYPE_PUBLIC);
  const signature = headers['wechatpay-signature'];
  assert.ok(Rsa.verify(Formatter.response(stamp, nonce, callback.body), signature, publicKey));
  assert.ok(!Rsa.verify(Formatter.response(stamp, nonce, `${callback.body} `), signature, publicKey));
  const { event_type: kind, resource } = JSON.parse(callback.body);
  const { ciphertext, nonce: iv, associated_data: aad } = resource;
  return { kind, ...JSON.parse(AesGcm.decrypt(ciphertext, account.secrets.apiv3_key, iv, aad)) };
};

const reads = async () => {
  await check(EVERY, 'payment_callback', 'reads', () => everyone(async (merchant) => {
    const outTradeNo = await paid(merchant);
    const [told, ...others] = (await callbacks(outTradeNo)).map((callback) => read(merchant.account, callback));
    assert.equal(others.length, 0);
    assert.equal(told.out_trade_no, outTradeNo);
    assert.equal(told.amount.total, 1234);
  }));
  await check(EVERY, 'refund_callback', 'reads', () => everyone(async (merchant) => {
    const outTradeNo = await paid(merchant);
    const refund = await refunded(merchant, outTradeNo);
    await control(`refunds/${refund.out_refund_no}/settle`, { outcome: 'success' });
    const told = (await callbacks(outTradeNo)).map((callback) => read(merchant.account, callback));
    const [ended] = told.filter(({ kind }) => kind === 'REFUND.SUCCESS');
    assert.equal(ended.out_refund_no, refund.out_refund_no);
    assert.equal(ended.amount.refund, 34);
  }));
};

// Headers and body of a notification as WeChat Pay posts it.
const notification = ({ settings, secrets }, kind, about) => {
  const originalType = kind.startsWith('REFUND') ? 'refund' : 'transaction';
  const iv = Formatter.nonce(12);
  const ciphertext = AesGcm.encrypt(JSON.stringify(about), secrets.apiv3_key, iv, originalType);
  const body = JSON.stringify({
    id: randomUUID(),
    create_time: '2026-01-01T08:00:05+08:00',
    resource_type: 'encrypt-resource',
    event_type: kind,
    summary: 'Kassa',
    resource: {
      original_type: originalType, algorithm: 'AEAD_AES_256_GCM', ciphertext, associated_data: originalType, nonce: iv,
    },
  });
  const [serial, name] = settings.public_keys.length > 0
    ? [settings.public_keys[0].id, 'wechat_public_key']
    : [settings.platform_certificates[0].serial, 'wechat_platform_1'];
  const [stamp, nonce] = [String(Formatter.timestamp()), Formatter.nonce()];
  const headers = {
    'content-type': 'application/json',
    'Wechatpay-Serial': serial,
    'Wechatpay-Timestamp': stamp,
    'Wechatpay-Nonce': nonce,
    'Wechatpay-Signature': Rsa.sign(Formatter.response(stamp, nonce, body), key(`${name}.key`)),
  };
  return { headers, body };
};

// The altered one is refused, the real one taken.
const deliver = async (url, { headers, body }) => {
  const altered = await post(url, body.replace('Kassa', 'Xassa'), headers);
  assert.equal(altered.status, 401);
  assert.deepEqual(await post(url, body, headers), { status: 204, body: '' });
};

const signs = async () => {
  const kassa = (path, body) => control(path, body, GROUND.kassa_sandbox);
  await check(EVERY, 'payment_callback', 'signs', async () => {
    for (const payment of GROUND.payments) {
      const account = GROUND.accounts[payment.account];
      await kassa(`orders/${payment.number}/pay`);
      await deliver(payment.callback_url, notification(account, 'TRANSACTION.SUCCESS', {
        appid: account.settings.appid,
        mchid: account.settings.mchid,
        out_trade_no: payment.number,
        transaction_id: number('42000000'),
        trade_state: 'SUCCESS',
        success_time: '2026-01-01T08:00:04+08:00',
        amount: { total: 1234, payer_total: 1234, currency: 'CNY' },
      }));
    }
  });
  await check(EVERY, 'refund_callback', 'signs', async () => {
    for (const payment of GROUND.payments) {
      const account = GROUND.accounts[payment.account];
      const refund = await kassa(`orders/${payment.number}/console-refund`, { amount: '1.00' });
      await kassa(`refunds/${refund.out_refund_no}/settle`, { outcome: 'success' });
      await deliver(payment.refund_callback_url, notification(account, 'REFUND.SUCCESS', {
        mchid: account.settings.mchid,
        out_trade_no: payment.number,
        out_refund_no: refund.out_refund_no,
        refund_id: refund.refund_id,
        refund_status: 'SUCCESS',
        success_time: '2026-01-01T09:00:00+08:00',
        amount: { total: 1234, refund: 100, payer_total: 1234, payer_refund: 100 },
      }));
      settled(payment, 'REFUND_PARTIAL');
    }
  });
};

(async () => {
  version('wechatpay-axios-plugin');
  await drives();
  await judges();
  await reads();
  await signs();
})();
