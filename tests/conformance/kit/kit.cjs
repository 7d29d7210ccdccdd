// What the scripts share: the ground that they stand on, checks, and HTTP to our side.
'use strict';

const fs = require('node:fs');
const assert = require('node:assert/strict');

const GROUND = JSON.parse(fs.readFileSync(0, 'utf8'));
const EVERY = 'every product';

// Some packages print; only we write lines that are read.
const tell = (line) => fs.writeSync(1, `${JSON.stringify(line)}\n`);
console.log = console.info = console.debug = console.error;

const version = (name) => {
  const file = `${process.env.NODE_PATH}/${name}/package.json`;
  tell({ version: JSON.parse(fs.readFileSync(file, 'utf8')).version });
};

// Kassa has to show this status once its worker has been at work.
const settled = (payment, status = 'PAID_SUCCESS') => {
  tell({ settled: { transaction_id: payment.transaction_id, status } });
};

// Whatever throws inside is a disagreement.
const check = async (product, operation, way, body) => {
  const line = { product, operation, way };
  try {
    await body();
    tell({ ...line, ok: true });
  } catch (error) {
    tell({ ...line, ok: false, why: String(error && error.stack) });
  }
};

// The software refuses, by a false answer or by an exception.
const refuses = async (call) => {
  try {
    return !(await call());
  } catch {
    return true;
  }
};

// A PEM file of the simulator's throw-away keys.
const key = (name) => fs.readFileSync(`${GROUND.keys}/${name}.pem`, 'utf8');

const request = async (method, url, body, headers = {}) => {
  const sent = { method, headers, body: method === 'POST' ? body : undefined, redirect: 'manual' };
  const answer = await fetch(url, sent);
  return { status: answer.status, body: await answer.text() };
};

const post = (url, body, headers) => request('POST', url, body, headers);

// The control API of the simulator.
const control = async (path, body = {}, sandbox = GROUND.sandbox) => {
  const headers = { 'content-type': 'application/json' };
  const answer = await post(`${sandbox}/control/${path}`, JSON.stringify(body), headers);
  assert.equal(answer.status, 200, `${path}: ${answer.body}`);
  return JSON.parse(answer.body);
};

// Lets the simulator post what waits, and gives the callbacks of one order.
const callbacks = async (number) => {
  await control('deliver');
  const answer = await request('GET', `${GROUND.sandbox}/control/callbacks`);
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body).filter((callback) => callback.out_trade_no === number);
};

// The examples that the room's own tests run.
const vectors = (name = 'vectors') => JSON.parse(fs.readFileSync(`${GROUND.vectors}/${name}.json`, 'utf8'));

// What our adapter did.
const deeds = (operation, account) => {
  const is = (deed) => deed.operation === operation && (!account || deed.account === account);
  const found = GROUND.deeds.filter(is);
  assert.ok(found.length > 0, `our adapter did no ${operation}`);
  return found;
};

// A form as an object; every name stands in it once.
const form = (text) => {
  const pairs = [...new URLSearchParams(text)];
  const object = Object.fromEntries(pairs);
  assert.equal(Object.keys(object).length, pairs.length, text);
  return object;
};

let numbers = 0;
// An order number that nobody else uses.
const number = (prefix) => `${prefix}${Date.now()}${(numbers += 1)}`;

module.exports = {
  GROUND, EVERY, assert, version, settled, check, refuses, key, request, post, control, callbacks, vectors, deeds, form, number,
};
