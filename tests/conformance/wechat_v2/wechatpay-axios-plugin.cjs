// wechatpay-axios-plugin and the vectors: it makes the same signatures, and opens the same notifications.
'use strict';

const { Hash, Transformer, Aes: { AesEcb } } = require('wechatpay-axios-plugin');
const {
  EVERY, assert, version, check, vectors,
} = require('../kit/kit.cjs');

const {
  api_key: key, official_doc: printed, signing, pay_notifications: notifications, refund_notification: refund,
} = vectors();
// The signed examples by what they are of.
const SIGNED = [
  ['/pay/unifiedorder NATIVE', 'place', ['unifiedorder_native']],
  ['/pay/unifiedorder JSAPI', 'place', ['unifiedorder_jsapi_hmac', 'jsapi_invoke', 'jsapi_invoke_hmac']],
  ['/pay/unifiedorder MWEB', 'place', ['unifiedorder_h5_scene_info']],
  ['/pay/unifiedorder APP', 'place', ['unifiedorder_app_with_empty_attach', 'app_invoke']],
  [EVERY, 'query', ['orderquery']],
  [EVERY, 'close', ['closeorder']],
  [EVERY, 'refund', ['refund']],
];

const signsAlike = async () => {
  for (const [product, operation, names] of SIGNED) {
    await check(product, operation, 'agrees', () => {
      assert.equal(Hash.sign('MD5', printed.params, key), printed.md5);
      assert.equal(Hash.sign('HMAC-SHA256', printed.params, key), printed.hmac_sha256);
      for (const name of names) {
        const example = signing.find((it) => it.name === name);
        const sign = (params) => Hash.sign(example.sign_type, params, key);
        assert.equal(sign(example.params), example.expected_sign, name);
        assert.notEqual(sign({ ...example.params, appid: 'wx0' }), example.expected_sign);
      }
    });
  }
};

const readsAlike = async () => {
  await check(EVERY, 'payment_callback', 'agrees', () => {
    assert.deepEqual(new Set(notifications.map(({ sign_type: type }) => type)), new Set(['MD5', 'HMAC-SHA256']));
    for (const example of notifications) {
      const { sign, ...fields } = Transformer.toObject(example.raw_body);
      const isGood = sign === Hash.sign(example.sign_type, fields, key);
      assert.equal(isGood, example.valid, example.name);
    }
  });
  await check(EVERY, 'refund_callback', 'agrees', () => {
    const read = Transformer.toObject(AesEcb.decrypt(refund.req_info, Hash.md5(key).toLowerCase()));
    assert.equal(read.refund_status, 'SUCCESS');
    assert.throws(() => Transformer.toObject(AesEcb.decrypt(refund.req_info, '0'.repeat(32))));
  });
};

(async () => {
  version('wechatpay-axios-plugin');
  await signsAlike();
  await readsAlike();
})();
