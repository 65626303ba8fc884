import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { deriveRecordKey, openOnce, recordAad, secretKey } from '@amanat/core/keys';
import type { RecordRead } from '@amanat/core/statement';
import { readRequestBody } from '../packages/server/disclosure/body.ts';
import { blobsOf, filesOf } from './_files.ts';
import { cnicOf, Instance, simsCsv, travelCsv } from './_instance.ts';

const KEY_BYTES = 32;
/** Fewer different bytes than this has no random key of 32: less than one in a million. */
const DIFFERENT_BYTES_MIN = 20;
const PEOPLE = [1, 2, 3];

describe('the gateway without its keeper', { concurrency: false }, () => {
  let instance: Instance;
  /** Keys that the keeper once released for the first person's record, and the record they are of. */
  let released: { subject: string; read: RecordRead; keys: Buffer };
  /** Every record in the store, by the names of its groups. */
  let held: { readonly subject: string; readonly read: RecordRead }[];

  before(async () => {
    instance = await Instance.create();
    await instance.importCsv('telecom-importer', 'sim-registrations', simsCsv(PEOPLE));
    await instance.importCsv('border-importer', 'travel-history', travelCsv(PEOPLE));
    let keys = Buffer.alloc(0);
    await instance.startGateway({
      keeper: (real) => ({
        ask: async (name, body, attachment) => {
          const answered = await real.ask(name, body, attachment);
          if (name === 'commit' && answered.attachment.length > 0) {
            keys = Buffer.from(answered.attachment);
          }
          return answered;
        },
      }),
    });
    const { disclosure, custody } = instance.gateway;
    for (const serial of [3, 2, 1]) {
      const request = instance.request('officer', [cnicOf(serial)]);
      const answer = await disclosure.request(readRequestBody({ ...request, approval: null }));
      assert.equal(answer.outcome, 'disclosed');
    }
    const { code, signed } = instance.code(cnicOf(1));
    assert.equal((await instance.gateway.citizen.handOutCode(signed)).outcome, 'entered');
    const { sealed } = await instance.viewAsk(code);
    assert.equal((await instance.gateway.citizen.history(sealed, 'here')).outcome, 'shown');
    held = recordsIn(instance);
    assert.equal(held.length, 2 * PEOPLE.length);
    // The last disclosure was of the first person: its keys are those of the groups asked for.
    const groups = ['identity', 'number'];
    const first = held.find(({ subject, read }) => {
      if (read.holding !== 'sim-registrations') return false;
      const [found] = custody.recordsOf(subject, read.holding, groups, 1);
      return found !== undefined && custody.open(subject, found.read, keysOf(keys)) !== null;
    });
    assert.ok(first, 'the keys that were released open what they were released for');
    const [found] = custody.recordsOf(first.subject, 'sim-registrations', groups, 1);
    released = { subject: first.subject, read: found?.read as RecordRead, keys };
    await instance.stopKeeper();
  });

  after(async () => {
    await instance?.[Symbol.asyncDispose]();
  });

  function recordsIn({ gateway, paths }: Instance) {
    const database = new DatabaseSync(paths.database, { readOnly: true });
    const rows = database.prepare('SELECT DISTINCT hex(subject) AS subject FROM custody_records');
    const subjects = rows.all().map(({ subject }) => String(subject).toLowerCase());
    database.close();
    const groups = ['identity', 'address', 'number', 'status', 'crossing', 'journey', 'document'];
    return subjects.flatMap((subject) =>
      ['sim-registrations', 'travel-history'].flatMap((holding) =>
        gateway.custody
          .recordsOf(subject, holding, groups, 10)
          .map(({ read }) => ({ subject, read })),
      ),
    );
  }

  function keysOf(keys: Buffer): Buffer[] {
    return Array.from({ length: keys.length / KEY_BYTES }, (_, at) =>
      keys.subarray(at * KEY_BYTES, (at + 1) * KEY_BYTES),
    );
  }

  /** Left out is the passphrase alone, which an embedded trial keeps beside the rest and production does not. */
  const everything = () => filesOf(instance.dir, (path) => path === instance.paths.passphrase);

  /**
   * Whatever in the files could be a key: 32 bytes of a table or a file, or 32 bytes written in hexadecimal or base64.
   */
  function keyLike(files: readonly { path: string; bytes: Buffer }[]): Set<string> {
    const found = new Set<string>();
    const take = (bytes: Uint8Array) => {
      for (let at = 0; at + KEY_BYTES <= bytes.length; at++) {
        const each = bytes.subarray(at, at + KEY_BYTES);
        if (new Set(each).size >= DIFFERENT_BYTES_MIN) {
          found.add(Buffer.from(each).toString('latin1'));
        }
      }
    };
    for (const { path, bytes } of files) {
      const text = bytes.toString('latin1');
      for (const [each] of text.matchAll(/[0-9a-fA-F]{64,}/g)) take(Buffer.from(each, 'hex'));
      for (const [each] of text.matchAll(/[A-Za-z0-9+/_-]{42,}={0,2}/g)) {
        take(Buffer.from(each, 'base64'));
      }
      if (!/\.db(-wal|-shm)?$/.test(path)) take(bytes);
    }
    for (const path of [instance.paths.database, join(instance.paths.keeper, 'keeper.db')]) {
      for (const blob of blobsOf(path)) take(blob);
    }
    return found;
  }

  /** Whether a key opens a group of a record, by custody's own code. */
  function opens(key: Uint8Array, subject: string, read: RecordRead): boolean {
    return read.groups.some((group) => {
      const one = { ...read, groups: [group] };
      return instance.gateway.custody.open(subject, one, [key]) !== null;
    });
  }

  test('opens with the right key, so that what follows proves something', () => {
    const [key] = keysOf(released.keys);
    assert.ok(key && opens(key, released.subject, released.read));
    const planted = keyLike([{ path: 'x', bytes: Buffer.from(`key: ${key.toString('hex')}\n`) }]);
    assert.ok(planted.has(key.toString('latin1')), 'a key in the files would be seen');
  });

  test('opens nothing with any key-like byte string of all its files and the keeper’s', (t) => {
    const keys = keyLike(everything());
    assert.ok(keys.size > 1_000);
    const { subject, read } = released;
    const [group] = read.groups;
    assert.ok(group);
    // Each is tried on one ciphertext by the cheapest way there is; on all records those that stand as 32 bytes.
    const [ciphertext] = instance.gateway.custody.ciphertextsFor(subject, read) ?? [];
    assert.ok(ciphertext);
    const aad = recordAad({ ...read, subject, group: group.group });
    const [right] = keysOf(released.keys);
    const tried = (key: Uint8Array) => {
      try {
        openOnce(secretKey(key), ciphertext, aad);
        return true;
      } catch {
        return false;
      }
    };
    assert.ok(right && tried(right));
    for (const key of keys) assert.ok(!tried(Buffer.from(key, 'latin1')));
    const exact = exactKeys();
    for (const key of exact) {
      for (const each of held) assert.ok(!opens(key, each.subject, each.read));
    }
    t.diagnostic(`${keys.size} byte strings on one record, ${exact.length} on ${held.length}`);
  });

  /** Byte strings that stand in the tables as 32 bytes, or as 32 bytes sealed (with nonce and tag). */
  function exactKeys(): Uint8Array[] {
    const paths = [instance.paths.database, join(instance.paths.keeper, 'keeper.db')];
    return paths.flatMap(blobsOf).flatMap((blob) => {
      if (blob.length === KEY_BYTES) return [blob];
      return blob.length === KEY_BYTES + 28 ? [blob.subarray(12, 12 + KEY_BYTES)] : [];
    });
  }

  test('derives no record’s key from any two of them', () => {
    const { subject, read } = released;
    const [group] = read.groups;
    const nonce = Buffer.from(group?.nonce ?? '', 'hex');
    const name = { ...read, subject, group: group?.group ?? '' };
    const wanted = released.keys.subarray(0, KEY_BYTES);
    const parts = exactKeys().slice(0, 80);
    assert.ok(parts.length > 10);
    for (const first of parts) {
      for (const second of parts) {
        assert.ok(!deriveRecordKey(first, second, name, nonce).equals(wanted));
      }
    }
  });

  test('answers no request and shows no history', async () => {
    const request = instance.request('officer', [cnicOf(1)]);
    await assert.rejects(
      instance.gateway.disclosure.request(readRequestBody({ ...request, approval: null })),
      { code: 'keeper-unavailable' },
    );
    const { code } = instance.code(cnicOf(1));
    const { sealed } = await instance.viewAsk(code);
    await assert.rejects(instance.gateway.citizen.history(sealed, 'here'), {
      code: 'keeper-unavailable',
    });
  });

  describe('and a thief of the store', { concurrency: false }, () => {
    /** What a thief would guess: every way in which an identifier may have been put into a hash. */
    function guesses(): string[] {
      return PEOPLE.flatMap((serial) => {
        const cnic = cnicOf(serial);
        const dashed = `${cnic.slice(0, 5)}-${cnic.slice(5, 12)}-${cnic.slice(12)}`;
        const msisdn = `+92398${String(serial).padStart(7, '0')}`;
        const values = [
          ...[cnic, dashed].map((value) => ['cnic', value] as const),
          ...[msisdn, msisdn.slice(1)].map((value) => ['msisdn', value] as const),
        ];
        return values.flatMap(([type, value]) =>
          ['', 'demo-telecom', 'demo-border', 'sim-registrations'].flatMap((prefix) => [
            prefix + value,
            `${prefix}${type}${value}`,
            `${prefix}\n${type}\n${value}`,
            `${prefix}:${type}:${value}`,
            `${type}\0${value}`,
          ]),
        );
      });
    }

    /** Every run of 16 bytes in the store, its log and its settings; the keeper’s folder is not the thief’s. */
    function stored(): { runs: Set<string>; keys: Uint8Array[] } {
      const files = filesOf(instance.dir, (path) => path.startsWith(instance.paths.keeper));
      const blobs = blobsOf(instance.paths.database);
      const others = files.filter(({ path }) => !path.includes('amanat.db'));
      const runs = new Set<string>();
      for (const bytes of [...blobs, ...others.map((file) => file.bytes)]) {
        for (let at = 0; at + 16 <= bytes.length; at++) {
          runs.add(Buffer.from(bytes.subarray(at, at + 16)).toString('latin1'));
        }
      }
      const keys = blobs.filter(({ length }) => length >= 16 && length <= 64);
      const pem = readFileSync(join(instance.paths.log, 'log-key.pem'));
      const body = pem.toString('latin1').replace(/-----[^-]+-----|\s/g, '');
      keys.push(pem, Buffer.from(body, 'base64'), Buffer.from(body, 'base64').subarray(-32));
      return { runs, keys };
    }

    const hashesOf = (guess: string, keys: readonly Uint8Array[]) => [
      ...['sha256', 'sha1', 'md5', 'sha512'].map((name) => createHash(name).update(guess).digest()),
      ...keys.map((key) => createHmac('sha256', key).update(guess).digest()),
      ...keys.map((key) => createHash('sha256').update(key).update(guess).digest()),
    ];

    test('confirms no guess of an identifier, under no byte string that is stored', (t) => {
      const { runs, keys } = stored();
      let tried = 0;
      for (const guess of guesses()) {
        for (const hash of hashesOf(guess, keys)) {
          tried += 1;
          assert.ok(!runs.has(hash.subarray(0, 16).toString('latin1')));
        }
      }
      t.diagnostic(`${tried} hashes against ${runs.size} stored runs of 16 bytes`);
      // The same search finds an index that is not keyed, and one whose key lies beside it.
      const [guess] = guesses();
      for (const hash of hashesOf(guess ?? '', keys.slice(0, 2))) {
        const careless = new Set([hash.subarray(0, 16).toString('latin1')]);
        assert.ok(
          hashesOf(guess ?? '', keys).some((each) =>
            careless.has(each.subarray(0, 16).toString('latin1')),
          ),
        );
      }
    });
  });
});
