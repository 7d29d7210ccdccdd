// WeChat Pay's words, for the scripts on npm.
'use strict';

const { GROUND, assert } = require('../kit/kit.cjs');

const ORDER = { description: 'A pot of tea 一壶茶', notify_url: GROUND.sink, amount: { total: 1234, currency: 'CNY' } };
// What each product wants beside the order, and what it answers with.
const PRODUCTS = {
  native: [{}, 'code_url'],
  jsapi: [{ payer: { openid: 'oTest-payer-openid-0000001' } }, 'prepay_id'],
  h5: [{ scene_info: { payer_client_ip: '203.0.113.7', h5_info: { type: 'Wap' } } }, 'h5_url'],
  app: [{}, 'prepay_id'],
};

// WeChat Pay's keys by the name that messages give, as PEM.
const platformKeys = ({ settings }) => Object.fromEntries([
  ...settings.platform_certificates.map(({ serial, pem }) => [serial, pem]),
  ...settings.public_keys.map(({ id, pem }) => [id, pem]),
]);

const authorizationOf = ({ headers }) => {
  const [scheme, pairs] = Object.fromEntries(headers).authorization.split(/ (.*)/s);
  assert.equal(scheme, 'WECHATPAY2-SHA256-RSA2048');
  return Object.fromEntries([...pairs.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
};

// What the merchant's signature in the client's parameters is over, and the signature itself.
const invocationOf = (prepay) => {
  // Whose code was scanned is given nothing.
  if (!prepay) return undefined;
  const head = [prepay.app_id, prepay.time_stamp, prepay.nonce_str];
  if (prepay.kind === 'jsapi') return [[...head, prepay.package], prepay.pay_sign];
  if (prepay.kind === 'wechat_app') return [[...head, prepay.prepay_id], prepay.sign];
  assert.ok(['qr_code', 'redirect'].includes(prepay.kind), prepay.kind);
  return undefined;
};

// The deeds of our adapter by product and operation.
const operations = () => GROUND.deeds.reduce((groups, deed) => {
  const name = `${deed.product}\n${deed.operation}`;
  return groups.set(name, [...(groups.get(name) ?? []), deed]);
}, new Map());

const lowered = (headers) => Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));

module.exports = { ORDER, PRODUCTS, platformKeys, authorizationOf, invocationOf, operations, lowered };
