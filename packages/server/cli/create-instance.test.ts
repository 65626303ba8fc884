import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { generateSigningKey } from '@amanat/core/keys';
import { createInstance } from './create-instance.ts';

describe('an instance that cannot be made', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'amanat-create-'));
  after(() => rmSync(cwd, { recursive: true, force: true }));
  const draw = () => generateSigningKey('p256').public.text;
  const make = (dir: string, origin: string) =>
    createInstance(
      {
        dir,
        mode: 'demo',
        origin,
        administrators: [draw(), draw()],
        registrar: draw(),
        activationSeconds: 0,
        port: 8080,
        publishSeconds: 0,
      },
      { now: 0, random: randomBytes },
    );

  it('leaves neither what it made nor the folders around it', async () => {
    const empty = join(cwd, 'empty');
    mkdirSync(empty);
    await assert.rejects(make(empty, 'bad+name'));
    assert.deepEqual(readdirSync(empty), []);
    await assert.rejects(make(join(cwd, 'absent', 'deep'), 'bad+name'));
    assert.ok(!existsSync(join(cwd, 'absent')));
    await make(empty, 'good.example/log');
    assert.ok(existsSync(join(empty, 'config.json')));
  });

  it('leaves what was there before', async () => {
    const full = join(cwd, 'full');
    mkdirSync(full);
    writeFileSync(join(full, 'notes'), 'mine');
    await assert.rejects(make(full, 'good.example/log'), /is not empty/);
    assert.deepEqual(readdirSync(full), ['notes']);
  });
});
