import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hex } from '../bytes.ts';
import type { JsonObject } from '../canonical.ts';
import { canonicalText } from '../canonical.ts';
import { CoreError } from '../errors.ts';
import { generateSigningKey, sign, verify } from '../keys/sign.ts';
import type { DocumentOf, DocumentType } from './documents.ts';
import {
  documentHash,
  personalDocuments,
  publicDocuments,
  readDocument,
  readDocumentOrNull,
  readPublicDocument,
  signingInput,
  writeDocument,
} from './documents.ts';

const { valid, invalid } = JSON.parse(
  readFileSync(new URL('../../../vectors/documents.json', import.meta.url), 'utf8'),
) as {
  readonly valid: readonly {
    readonly name: string;
    readonly type: DocumentType;
    readonly document: string;
    readonly hash: string;
  }[];
  readonly invalid: readonly { readonly name: string; readonly document: string }[];
};
const types = Object.keys({ ...publicDocuments, ...personalDocuments }) as DocumentType[];
const badDocument = { name: 'CoreError', code: 'bad-document' };

function isRefusal(error: unknown): boolean {
  return error instanceof CoreError && ['bad-document', 'bad-encoding'].includes(error.code);
}

describe('document vectors', () => {
  it('that are invalid are refused, whatever type is expected', () => {
    assert.ok(invalid.length > 150);
    for (const { name, document } of invalid) {
      assert.throws(() => readDocument(document, ...types), badDocument, name);
      assert.equal(readDocumentOrNull(document, ...types), null, name);
    }
  });

  it('that are valid cover every type, are read, and have their hash', () => {
    assert.deepEqual([...new Set(valid.map(({ type }) => type))].sort(), [...types].sort());
    for (const { name, type, document, hash } of valid) {
      const read = readDocument(document, type);
      assert.equal(read.type, type, name);
      assert.equal(writeDocument(read as DocumentOf<typeof type>), document, name);
      assert.equal(hex(documentHash(document)), hash, name);
    }
  });
});

describe('documents', () => {
  it('of another type than is expected are refused, and personal ones never stand in a public leaf', () => {
    for (const { type, document } of valid) {
      const others = types.filter((other) => other !== type);
      assert.throws(() => readDocument(document, ...others), badDocument);
      assert.equal(readDocumentOrNull(document, ...others), null);
      assert.deepEqual(readDocumentOrNull(document, type), readDocument(document, type));
      if (type in publicDocuments) assert.equal(readPublicDocument(document).type, type);
      else assert.throws(() => readPublicDocument(document), badDocument);
    }
  });

  it('one byte changed gives a refusal or another document with another hash', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...valid),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        ({ type, document, hash }, at, mask) => {
          const bytes = Buffer.from(document);
          bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ mask;
          const changed = bytes.toString();
          assert.notEqual(hex(documentHash(changed)), hash);
          try {
            assert.notDeepEqual(readDocument(changed, type), readDocument(document, type));
          } catch (error) {
            assert.ok(isRefusal(error), String(error));
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('whatever stands in a member, reading gives a document or a refusal with a code', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...valid),
        fc.nat(),
        fc.jsonValue({ maxDepth: 3 }),
        ({ document }, at, value) => {
          const source = JSON.parse(document) as JsonObject;
          const names = Object.keys(source);
          const changed = { ...source, [names[at % names.length] as string]: value as never };
          try {
            const text = canonicalText(changed);
            assert.equal(canonicalText(readDocument(text, ...types) as never), text);
          } catch (error) {
            assert.ok(isRefusal(error), String(error));
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('any text is read or refused with a code, and no refusal repeats it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        try {
          readDocument(text, ...types);
          assert.fail('a document by chance');
        } catch (error) {
          assert.ok(isRefusal(error), String(error));
        }
      }),
    );
    const [secret] = ['0123412345671 a name'];
    const code = valid.find(({ type }) => type === 'code')?.document as string;
    assert.throws(
      () => readDocument(code.replace('0123412345671', secret as string), 'code'),
      (error) => isRefusal(error) && !(error as Error).message.includes('0123412'),
    );
  });

  it('a signature over one document is none over another kind of signed text', () => {
    const key = generateSigningKey('ed25519');
    const document = valid[0]?.document as string;
    const signature = sign(key, signingInput(document));
    assert.equal(verify(key.public, signingInput(document), signature), true);
    assert.equal(verify(key.public, Buffer.from(document), signature), false);
    assert.throws(() => signingInput('\ud800'), { code: 'bad-encoding' });
  });

  it('a document that would not be read is not written', () => {
    const source = JSON.parse(valid.find(({ type }) => type === 'agency')?.document as string);
    for (const change of [{ version: 0 }, { agency: 'Demo' }, { more: 1 }, { time: 0.5 }]) {
      assert.throws(() => writeDocument({ ...source, ...change }), badDocument);
    }
  });
});
