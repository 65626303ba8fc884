import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { runHere } from './_around.ts';
import { COMMANDS } from './table.ts';

describe('a command line', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'amanat-run-'));
  after(() => rmSync(cwd, { recursive: true, force: true }));

  it('that is wrong exits with 2, says how, and prints nothing else', async () => {
    const wrong = [
      ['nonsense'],
      ['holding'],
      ['holding', 'burn'],
      [],
      ['keygen'],
      ['keygen', '--role', 'king', '--out', 'x'],
      ['keygen', '--role', 'officer', '--role', 'approver', '--out', 'x'],
      ['keygen', '--role', 'officer', '--out', 'x', '--person', 'Capital Letters'],
      ['init', '--administrator', 'a', '--registrar', 'r'],
      ['init', '--port', '70000', '--administrator', 'a'],
      ['revoke', 'not-a-key-id', '--as', 'k'],
      ['enrol', 'a', 'b'],
      ['approve'],
      ['backup', '--store', 'a', '--keeper', 'b'],
      ['restore'],
      ['serve', '--unknown'],
      ['history', '--from'],
      ['verify', '--json=1'],
      ['demo', '--people', '-5'],
      ['audit'],
      ['audit', '.'],
      ['mirror', 'https://log.example/'],
      ['mirror', '.', 'x', '--key', 'nonsense'],
    ];
    for (const argv of wrong) {
      const ran = await runHere(argv);
      assert.equal(ran.code, 2, argv.join(' '));
      assert.equal(ran.stdout, '', argv.join(' '));
      assert.notEqual(ran.stderr, '', argv.join(' '));
    }
  });

  it('with a log’s key that is none says what one looks like', async () => {
    for (const argv of [
      ['audit', '.', '--key', 'nonsense'],
      ['mirror', '.', join(cwd, 'copy'), '--key', 'nonsense'],
    ]) {
      const ran = await runHere(argv);
      assert.equal(ran.code, 2);
      assert.match(ran.stderr, /--key is no verifier key \(NAME\+HASH\+BASE64\)/);
      assert.doesNotMatch(ran.stderr, /nonsense/);
    }
    assert.ok(!existsSync(join(cwd, 'copy')));
  });

  it('that checks what is no proof says what makes one, and nothing of what it is', async () => {
    for (const [at, text] of ['{"key":"secret-d"}', 'secret-d', '[]'].entries()) {
      const path = join(cwd, `none-${at}.json`);
      writeFileSync(path, text);
      const ran = await runHere(['verify-proof', path]);
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, /is no saved proof\n.*amanat history --save/);
      assert.doesNotMatch(ran.stderr, /secret|member/);
    }
  });

  it('that restores what is no backup leaves nothing behind', async () => {
    const target = join(cwd, 'restored');
    const ran = await runHere(['restore', '--store', join(cwd, 'no-backup'), '--dir', target]);
    assert.equal(ran.code, 1);
    assert.ok(!existsSync(target));
  });

  it('that is wrong never repeats what was typed', async () => {
    for (const argv of [
      ['serve', '--typed=secret-a'],
      ['secret-b'],
      ['keygen', '--role', 'secret-c'],
    ]) {
      assert.doesNotMatch((await runHere(argv)).stderr, /secret/);
    }
  });

  it('with an identifier or a code in it is refused as wrong usage, whatever the command', async () => {
    for (const word of ['09999-0000001-2', '--from=cnic:0999900000012', '+923981230001']) {
      for (const argv of [
        ['request', word],
        ['history', word],
        ['nonsense', word],
      ]) {
        const ran = await runHere(argv);
        assert.equal(ran.code, 2);
        assert.match(ran.stderr, /never given as an argument/);
        assert.doesNotMatch(ran.stderr, /0000001|1230001/);
      }
    }
  });

  it('without an instance fails with 1 and says what to do', async () => {
    const ran = await runHere(['holding', 'list', '--dir', join(cwd, 'none')]);
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /amanat init/);
  });

  it('that fails under --json prints one object that says why', async () => {
    const ran = await runHere(['--json', '--dir', join(cwd, 'none'), 'verify']);
    assert.equal(ran.code, 1);
    const { error } = JSON.parse(ran.stdout) as { error: { code: string; reason: string } };
    assert.deepEqual([error.code, error.reason], ['failed', 'no-instance']);
    assert.equal(ran.stdout.trimEnd().split('\n').length, 1);
  });

  it('takes the instance from the environment where --dir is not given', async () => {
    const ran = await runHere(['verify'], { env: { AMANAT_DIR: join(cwd, 'from-env') } });
    assert.match(ran.stderr, /from-env/);
  });

  it('with --help shows each command’s help and an example, and does nothing', async () => {
    for (const name of COMMANDS.keys()) {
      const ran = await runHere([...name.split(' '), '--help']);
      assert.equal(ran.code, 0, name);
      assert.match(ran.stdout, new RegExp(`^amanat ${name}`), name);
      assert.match(ran.stdout, /\nExample:\n {2}/, name);
      for (const line of ran.stdout.split('\n')) assert.ok(line.length <= 130, `${name}: ${line}`);
    }
  });

  it('with --help alone lists every command', async () => {
    const ran = await runHere(['--help']);
    assert.equal(ran.code, 0);
    for (const name of COMMANDS.keys()) assert.ok(ran.stdout.includes(`  ${name} `), name);
  });
});
