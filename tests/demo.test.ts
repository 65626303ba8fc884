import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { amanat, startAmanat } from './_cli.ts';
import { until } from './_served.ts';

interface DemoSummary {
  readonly people: number;
  readonly imports: readonly {
    readonly holding: string;
    readonly rows: number;
    readonly stored: number;
    readonly rejected: number;
    readonly rowsPerSecond: number;
  }[];
  readonly requests: number;
  readonly disclosures: number;
  readonly misses: number;
  readonly approved: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly verified: boolean;
  readonly logSize: number;
  readonly cosignatures: number;
  readonly seconds: number;
  readonly banner: string;
}

const BANNER =
  'demonstration: keeper, gateway, log and witnesses share one machine and one user; the guarantees against the operator are off';

/** Command lines of the processes that name this folder. */
function processesOf(dir: string): readonly string[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      return line.includes(dir) ? [line] : [];
    } catch {
      // No process, or one that has just ended.
      return [];
    }
  });
}

describe('amanat demo', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'amanat-demo-test-'));
  after(() => rmSync(cwd, { recursive: true, force: true }));

  it('does it all once, verifies the log, and leaves nothing behind', async () => {
    const temporary = join(cwd, 'tmp');
    mkdirSync(temporary);
    const ran = await amanat(['demo', '--once', '--people', '120', '--json'], {
      cwd,
      env: { TMPDIR: temporary },
    });
    assert.equal(ran.code, 0, ran.stderr);
    const [line, ...more] = ran.stdout.trimEnd().split('\n');
    assert.deepEqual(more, [], 'one JSON object');
    const found = JSON.parse(line ?? '') as DemoSummary;
    assert.equal(found.people, 120);
    assert.equal(found.verified, true);
    assert.ok(found.cosignatures >= 3);
    assert.ok(ran.stderr.includes('guard against nobody'));
    assert.equal(found.banner, BANNER);
    assert.ok(ran.stderr.includes(BANNER));
    const stored = Object.fromEntries(found.imports.map((each) => [each.holding, each.stored]));
    assert.equal(found.imports.length, 3);
    assert.ok((stored['sim-registrations'] ?? 0) > 120);
    assert.ok((stored['travel-history'] ?? 0) > 50);
    assert.equal(stored['identity-card-images'], 120);
    for (const { rows, rejected, stored: kept } of found.imports)
      assert.equal(rows, kept + rejected);
    assert.ok(
      found.imports.some(({ rejected }) => rejected > 0),
      'some rows are wrong on purpose',
    );
    assert.equal(found.requests, 125);
    assert.equal(found.approved, 4);
    assert.ok(found.disclosures > 80);
    assert.ok(Object.keys(found.refusals).length >= 2, 'refusals of more than one kind');
    assert.ok(found.logSize > found.requests);
    assert.deepEqual(readdirSync(temporary), []);
  });

  it('serves the pages until it is stopped, and keeps what was asked for', async () => {
    const dir = join(cwd, 'kept');
    const demo = await startAmanat(['demo', '--people', '20', '--port', '0', '--dir', dir], {
      cwd,
      ready: /Ctrl-C ends it/,
    });
    try {
      const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(demo.output()) ?? [];
      const [, code] = /her code: +([0-9a-f ]{39})\n/.exec(demo.output()) ?? [];
      assert.ok(url && code, demo.output());
      const page = await fetch(`${url}/`);
      assert.match(await page.text(), /<html/);
      const instance = (await (await fetch(`${url}/v1/instance`)).json()) as { banner: string };
      assert.equal(instance.banner, BANNER);
      const shown = await amanat(['history', '--dir', dir, '--json'], { cwd, input: code });
      assert.equal(shown.code, 0, shown.stdout + shown.stderr);
      const history = JSON.parse(shown.stdout) as { verified: boolean; chains: unknown[] };
      assert.equal(history.verified, true);
      assert.equal(history.chains.length, 3, 'one code opens her three subjects to her');
      // What was withheld from her some weeks ago is open by now, and counted for everyone.
      assert.match(shown.stdout, /"kind":"opened"/);
      const seals = (await (await fetch(`${url}/v1/seals`)).json()) as {
        counts: readonly { agency: string; sealed: number }[];
      };
      assert.deepEqual(
        seals.counts.map(({ agency, sealed }) => [agency, sealed]),
        [['demo-police', 1]],
      );
    } finally {
      await demo.stop();
    }
    assert.ok(existsSync(join(dir, 'store', 'amanat.db')));
    const checked = await amanat(['verify', '--dir', dir], { cwd });
    assert.equal(checked.code, 0, checked.stdout);
  });

  it('is gone on with by amanat serve, which has the witnesses that ended with it', async () => {
    const dir = join(cwd, 'kept');
    assert.deepEqual(processesOf(dir), []);
    const served = await startAmanat(['serve', '--dir', dir, '--port', '0'], {
      cwd,
      ready: /Ctrl-C stops/,
    });
    try {
      const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(served.output()) ?? [];
      const health = await until(async () => {
        const response = await fetch(`${url}/v1/health`);
        return response.status === 200 ? await response.json() : null;
      });
      assert.match(JSON.stringify(health), /cosigned by 3 of 4 witnesses/);
    } finally {
      await served.stop();
    }
    assert.deepEqual(processesOf(dir), []);
  });

  it('leaves no process behind when it is killed outright', async () => {
    const dir = join(cwd, 'killed');
    const demo = await startAmanat(['demo', '--people', '20', '--port', '0', '--dir', dir], {
      cwd,
      ready: /Ctrl-C ends it/,
    });
    const started = processesOf(dir).join();
    assert.match(started, /keeper[/]main/);
    assert.match(started, /witness-main/);
    demo.child.kill('SIGKILL');
    await until(() => (processesOf(dir).length === 0 ? true : null));
  });

  it('refuses a folder that is not empty', async () => {
    const ran = await amanat(['demo', '--once', '--people', '20', '--dir', join(cwd, 'kept')], {
      cwd,
    });
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /is not empty/);
  });

  it('refuses too few people as wrong usage', async () => {
    assert.equal((await amanat(['demo', '--people', '3'], { cwd })).code, 2);
  });
});
