import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { generateCosigningKey } from '@amanat/core/keys';
import { formatVerifierKey } from '@amanat/core/log';
import { readConfig } from './config.ts';
import { InstanceLock } from './lock.ts';

const GOOD = {
  mode: 'trial',
  origin: 'log.test.example',
  keeper: 'embedded',
  port: 8080,
  publishSeconds: 600,
  allowSynthetic: false,
};

const DEVICE = { module: '/usr/lib/pkcs11.so', token: 'root', key: '01', pinFile: '/run/pin' };
const WITNESS = formatVerifierKey(generateCosigningKey('ed25519', 'witness.example').public);

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'amanat-config-'));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

test('a missing, malformed or contradictory setting is refused by name', (t) => {
  const dir = folder(t);
  assert.throws(() => readConfig(dir), { code: 'no-instance' });
  const refused = (value: unknown, named: RegExp) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    writeFileSync(join(dir, 'config.json'), text);
    assert.throws(() => readConfig(dir), { code: 'bad-config', message: named });
  };
  refused('{', /not json/);
  refused('[]', /object/);
  refused({ ...GOOD, prot: 1 }, /prot: expected no such member/);
  refused({ ...GOOD, port: 0 }, /port/);
  refused({ ...GOOD, port: '8080' }, /port/);
  refused({ ...GOOD, mode: 'production' }, /mode/);
  refused({ ...GOOD, origin: 'Log With Spaces' }, /origin/);
  refused({ ...GOOD, allowSynthetic: true }, /allowSynthetic/);
  refused({ ...GOOD, mode: 'demo' }, /allowSynthetic/);
  refused({ ...GOOD, standby: 'standby' }, /standby.*absolute path/);
  refused({ ...GOOD, standby: true }, /standby/);
  refused({ ...GOOD, device: true }, /device/);
  refused(
    { ...GOOD, device: { ...DEVICE, module: 'libpkcs11.so' } },
    /device.module.*absolute path/,
  );
  refused({ ...GOOD, device: { ...DEVICE, key: 'root' } }, /device.key.*hexadecimal/);
  refused({ ...GOOD, device: { ...DEVICE, pin: '0000' } }, /device.pin: expected no such member/);
  refused({ ...GOOD, trustedProxy: '127.0.0.1' }, /trustedProxy/);
  refused({ ...GOOD, trustedProxy: true }, /trustedProxy/);
  for (const elsewhere of ['192.0.2.1', '127.0.0.256', '127.0.0.0/8', 'localhost', '*', '::1']) {
    refused({ ...GOOD, trustedProxy: [elsewhere] }, /trustedProxy.*loopback/);
  }
  const url = 'https://witness.example/';
  refused({ ...GOOD, publicWitnesses: [{ key: 'witness.example', url }] }, /key/);
  refused({ ...GOOD, publicWitnesses: [{ key: WITNESS, url: 'file:///etc' }] }, /url/);
  refused({ ...GOOD, publicWitnesses: [{ key: WITNESS }] }, /url/);
  refused('x'.repeat(70_000), /too long/);
});

test('good settings are read as they are', (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'config.json'), JSON.stringify(GOOD));
  assert.deepEqual(readConfig(dir), {
    ...GOOD,
    standby: null,
    device: null,
    trustedProxy: [],
    publicWitnesses: [],
  });
  const publicWitnesses = [{ key: WITNESS, url: 'https://witness.example/' }];
  const behind = {
    ...GOOD,
    standby: '/mnt/standby',
    device: DEVICE,
    trustedProxy: ['127.0.0.1', '127.1.2.3'],
    publicWitnesses,
  };
  writeFileSync(join(dir, 'config.json'), JSON.stringify(behind));
  assert.deepEqual(readConfig(dir), behind);
});

test('a folder that is held is refused, and free again once its holder is killed', async (t) => {
  const path = join(folder(t), 'gateway.lock');
  const script = `
    const { InstanceLock } = await import(${JSON.stringify(join(import.meta.dirname, 'lock.ts'))});
    globalThis.held = new InstanceLock(process.argv[1]);
    console.log('held');
    setInterval(() => {}, 1000);`;
  const argv = ['--input-type=module', '-e', script, path];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  assert.throws(() => new InstanceLock(path), { code: 'already-served' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  const lock = new InstanceLock(path);
  lock.release();
  new InstanceLock(path).release();
});
