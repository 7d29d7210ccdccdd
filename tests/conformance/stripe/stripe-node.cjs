// Stripe's own Node library on the other side: it drives the simulator, and reads and signs events.
'use strict';

const Stripe = require('stripe');
const {
  GROUND, EVERY, assert, version, settled, check, refuses, post, control, callbacks, number,
} = require('../kit/kit.cjs');

const SESSIONS = '/v1/checkout/sessions';
const INTENTS = '/v1/payment_intents';
const [{ settings, secrets }] = Object.values(GROUND.accounts);
const { hostname, port } = new URL(settings.api_base_url);
const sdk = new Stripe(secrets.secret_key, {
  host: hostname, port, protocol: 'http', maxNetworkRetries: 0, telemetry: false,
});

const placed = (transactionId = number('S')) => sdk.checkout.sessions.create({
  mode: 'payment',
  success_url: 'https://shop.example/ok',
  client_reference_id: transactionId,
  line_items: [{
    quantity: 1,
    price_data: { currency: 'usd', unit_amount: 1234, product_data: { name: 'A pot of tea 一壶茶' } },
  }],
  metadata: { transaction_id: transactionId },
  payment_intent_data: { metadata: { transaction_id: transactionId } },
}, { idempotencyKey: `pay:${transactionId}` });

const paid = async () => {
  const { id } = await placed();
  await control(`orders/${id}/pay`);
  return sdk.checkout.sessions.retrieve(id);
};

const refunded = ({ payment_intent: intent }) => sdk.refunds.create({ payment_intent: intent, amount: 34 });

const drives = async () => {
  await check(SESSIONS, 'place', 'drives', async () => {
    const transactionId = number('S');
    const session = await placed(transactionId);
    assert.equal(session.status, 'open');
    assert.equal((await placed(transactionId)).id, session.id);
  });
  await check(INTENTS, 'place', 'drives', async () => {
    const wish = { amount: 1234, currency: 'usd', automatic_payment_methods: { enabled: true } };
    const intent = await sdk.paymentIntents.create(wish);
    assert.ok(intent.client_secret.startsWith(intent.id));
  });
  await check(EVERY, 'query', 'drives', async () => {
    const session = await paid();
    assert.equal(session.payment_status, 'paid');
    const intent = await sdk.paymentIntents.retrieve(session.payment_intent);
    assert.equal(intent.amount_received, 1234);
  });
  await check(EVERY, 'close', 'drives', async () => {
    const { id } = await placed();
    assert.equal((await sdk.checkout.sessions.expire(id)).status, 'expired');
    await assert.rejects(sdk.checkout.sessions.expire(id), { type: 'StripeInvalidRequestError' });
  });
  await check(EVERY, 'refund', 'drives', async () => {
    const refund = await refunded(await paid());
    assert.equal(refund.status, 'succeeded');
  });
  await check(EVERY, 'query_refund', 'drives', async () => {
    const session = await paid();
    const made = [await refunded(session), await refunded(session)].map(({ id }) => id);
    const listed = await sdk.refunds.list({ payment_intent: session.payment_intent });
    assert.deepEqual(listed.data.map(({ id }) => id), made.reverse());
  });
};

const reads = async () => {
  await check(EVERY, 'payment_callback', 'reads', async () => {
    const transactionId = number('S');
    const session = await placed(transactionId);
    await control(`orders/${session.id}/pay`);
    const kinds = [];
    for (const { headers, body } of await callbacks(transactionId)) {
      const header = Object.fromEntries(headers)['Stripe-Signature'];
      const read = (text) => sdk.webhooks.constructEvent(text, header, secrets.signing_secret);
      kinds.push(read(body).type);
      assert.ok(await refuses(() => read(`${body} `)));
    }
    assert.deepEqual(kinds.sort(), ['checkout.session.completed', 'payment_intent.succeeded']);
  });
};

const signs = async () => {
  await check(EVERY, 'payment_callback', 'signs', async () => {
    for (const payment of GROUND.payments) {
      const order = await control(`orders/${payment.number}/pay`, {}, GROUND.kassa_sandbox);
      const payload = JSON.stringify({
        id: number('evt_'),
        object: 'event',
        type: 'checkout.session.async_payment_succeeded',
        created: Math.floor(Date.now() / 1000),
        livemode: false,
        data: {
          object: {
            id: order.gateway_trade_no,
            object: 'checkout.session',
            status: 'complete',
            payment_status: 'paid',
            amount_total: 1234,
            currency: payment.currency.toLowerCase(),
            client_reference_id: payment.number,
            metadata: { transaction_id: payment.number },
            livemode: false,
          },
        },
      });
      const secret = secrets.signing_secret;
      const header = sdk.webhooks.generateTestHeaderString({ payload, secret });
      const headers = { 'content-type': 'application/json', 'stripe-signature': header };
      const altered = await post(payment.callback_url, payload.replace('1234', '1235'), headers);
      assert.equal(altered.status, 400);
      assert.deepEqual(await post(payment.callback_url, payload, headers), { status: 200, body: '' });
      settled(payment);
    }
  });
};

(async () => {
  version('stripe');
  await drives();
  await reads();
  await signs();
})();
