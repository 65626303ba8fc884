import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base64 } from '@amanat/core/bytes';
import type { DocumentOf } from '@amanat/core/grants';
import { Register, signingInput, writeDocument } from '@amanat/core/grants';
import { generateCosigningKey, generateSigningKey, sign } from '@amanat/core/keys';
import { formatVerifierKey } from '@amanat/core/log';
import { pino } from 'pino';
import { FakeKeeper } from '../log/_fake-keeper.ts';
import { createServer } from './server.ts';
import { stateRoutes } from './state.ts';

const NOW = Date.UTC(2026, 10, 23, 9);
const MINUTE = 60_000;

const administrators = [generateSigningKey('ed25519'), generateSigningKey('ed25519')] as const;
const names = ['east', 'west', 'north', 'south'].map((name) => `witness.example/${name}`);
const keys = names.map((name) => formatVerifierKey(generateCosigningKey('ed25519', name).public));
const key = administrators[0].public.text;

const genesis: DocumentOf<'genesis'> = {
  type: 'genesis',
  origin: 'log.example',
  mode: 'trial',
  logKey: 'log',
  keeperKey: key,
  keeperSealingKey: `${'A'.repeat(87)}=`,
  administrators: administrators.map((each) => each.public.text),
  registrar: key,
  activationSeconds: 60,
  time: NOW,
};

function appointment(
  version: number,
  breakGlass: DocumentOf<'witnesses'>['breakGlass'],
): DocumentOf<'witnesses'> {
  const witnesses = keys.map((each) => ({ key: each, url: 'https://witness.example/' }));
  return { type: 'witnesses', version, witnesses, quorum: 3, faulty: 1, breakGlass, time: NOW };
}

test('an instance names its witnesses once they are in force, and a broken glass while it is broken', async (t) => {
  const register = new Register();
  let now = NOW;
  let index = 0;
  const enter = (document: DocumentOf<'genesis' | 'witnesses' | 'broken-glass'>) => {
    const text = writeDocument(document);
    const signers = document.type === 'genesis' ? [] : administrators;
    const signatures = signers.map((each) => ({
      key: each.public.id,
      signature: base64(sign(each, signingInput(text))),
    }));
    assert.equal(register.apply(index++, { document: text, signatures }, now), null);
  };
  const app = await createServer({
    logger: pino({ level: 'silent' }),
    mode: 'trial',
    version: '0',
    now: () => now,
    trustedProxy: [],
  });
  t.after(() => app.close());
  const log = { reason: null, register, now: () => now };
  await app.register(stateRoutes, { log, keeper: new FakeKeeper(), mode: 'trial' });
  const witnessesAt = async (time: number) => {
    now = time;
    const { witnesses, brokenUntil } = (await app.inject('/v1/instance')).json();
    return [witnesses, brokenUntil] as const;
  };

  enter(genesis);
  assert.deepEqual(await witnessesAt(NOW), [null, null]);
  enter(appointment(1, { quorum: 1, releases: 10 }));
  assert.deepEqual(await witnessesAt(NOW + MINUTE - 1), [null, null]);
  const appointed = { keys, names, count: 4, quorum: 3, breakGlassQuorum: 1 };
  assert.deepEqual(await witnessesAt(NOW + MINUTE), [appointed, null]);
  const until = NOW + 5 * MINUTE;
  enter({ type: 'broken-glass', reason: 'need', until, nonce: '00'.repeat(16), time: now });
  assert.deepEqual(await witnessesAt(until - 1), [appointed, until]);
  assert.deepEqual(await witnessesAt(until), [appointed, null]);
  // A glass that cannot be broken any more is whole, whatever was signed before.
  now = NOW + 2 * MINUTE;
  enter(appointment(2, null));
  const unbreakable = { ...appointed, breakGlassQuorum: null };
  assert.deepEqual(await witnessesAt(NOW + 3 * MINUTE), [unbreakable, null]);
});
