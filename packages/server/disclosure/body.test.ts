import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CoreError } from '@amanat/core/errors';
import { selectorsRoot, writeDocument } from '@amanat/core/grants';
import fc from 'fast-check';
import { readRequestBody } from './body.ts';

const selector = { type: 'cnic', value: '0000000000001', salt: '00'.repeat(16) } as const;
const signature = { key: '00'.repeat(16), signature: `${'A'.repeat(86)}==` };

function body(count = 1) {
  const selectors = Array(count).fill(selector);
  const document = writeDocument<'request'>({
    type: 'request',
    purpose: 'https://w3id.org/dpv#ServiceRegistration',
    legalBasis: 'https://w3id.org/dpv#LegalObligation',
    authority: 'order',
    case: 'case',
    selectors: { count, root: selectorsRoot(selectors) },
    holdings: [{ holding: 'sims', groups: ['identity'] }],
    seal: null,
    sequence: 1,
    nonce: '00'.repeat(16),
    time: 1,
  });
  return { document, signatures: [signature], selectors, approval: null };
}

function refused(value: unknown): void {
  assert.throws(() => readRequestBody(value), CoreError);
}

test('an unknown member is refused wherever it stands', () => {
  const good = body();
  refused({ ...good, more: 1 });
  refused({ ...good, signatures: [{ ...signature, more: 1 }] });
  refused({ ...good, selectors: [{ ...selector, more: 1 }] });
  refused({ ...good, approval: { document: good.document, signatures: [signature], more: 1 } });
});

test('a missing member is refused', () => {
  for (const name of Object.keys(body())) {
    const { [name as 'document']: _, ...less } = body();
    refused(less);
  }
});

test('two signatures, none, and another kind of document are refused', () => {
  const good = body();
  refused({ ...good, signatures: [signature, signature] });
  refused({ ...good, signatures: [] });
  refused({ ...good, document: good.document.replace('"request"', '"approval"') });
  refused({ ...good, approval: { document: good.document, signatures: [signature] } });
});

test('more selectors than a request may have, or than it counts, are refused', () => {
  const good = body();
  refused({ ...good, selectors: [selector, selector] });
  refused({ ...good, selectors: Array(1001).fill(selector) });
  refused({ ...good, selectors: [] });
});

test('an error never says what was sent', () => {
  const secret = '0987654321098';
  const bad = { ...body(), selectors: [{ ...selector, value: `${secret}x` }] };
  assert.throws(
    () => readRequestBody(bad),
    (error: Error) => !error.message.includes(secret),
  );
});

test('anything at all gives a body or a typed error', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(body())), (value, name) => {
      for (const each of [value, { ...body(), [name]: value }]) {
        try {
          readRequestBody(each);
        } catch (error) {
          assert.ok(error instanceof CoreError);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('a body in its form is read whole', () => {
  const read = readRequestBody(body(3));
  assert.equal(read.selectors.length, 3);
  assert.equal(read.request.selectors.count, 3);
  assert.equal(read.approval, null);
});
