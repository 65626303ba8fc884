/// <reference types="node" />
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import type { CertifiedEntry } from '@amanat/core/verify';
import { verifyBundle, verifyShredProof } from '@amanat/core/verify';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { launchBrowser } from '../../../tests/_browser.ts';
import { flipBase64, flipBit, makeWitnesses, Simulation } from '../../core/verify/_simulation.ts';
import { fillHistory } from './_canned.ts';
import type { Site, Tampering } from './_site.ts';
import { startSite } from './_site.ts';

const axeFile = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const DAY = 86_400_000;

let browser: Browser;
let site: Site;
let simulation: Simulation;
/** The same person's at a log of four witnesses, of whom three have to cosign. */
let witnessed: Simulation;

before(async () => {
  simulation = await Simulation.create();
  fillHistory(simulation, Date.now());
  witnessed = await Simulation.create();
  fillHistory(witnessed, Date.now());
  witnessed.appoint(makeWitnesses(), 3);
  [browser, site] = await Promise.all([launchBrowser(), startSite(simulation)]);
});

after(async () => {
  await browser?.close();
  await site?.close();
});

interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the page, refusals of the content security policy among them. */
  readonly errors: string[];
}

async function visit(
  path: string,
  { width = 1280, dark = false }: { readonly width?: number; readonly dark?: boolean } = {},
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width, height: 800 },
    colorScheme: dark ? 'dark' : 'light',
    timezoneId: 'Asia/Karachi',
    bypassCSP: false,
  });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(`${site.url}${path}`);
  await page.waitForSelector('h1');
  return { page, context, errors };
}

async function enterCode(page: Page, code: string = site.simulation.code): Promise<void> {
  await page.fill('textarea', code);
  await page.click('button[type=submit]');
  await page.waitForSelector('[data-verdict], [data-problem]');
}

/** Opens her page while the gateway does what `tampering` says. */
async function openTampered(tampering: Tampering, path = '/?lang=en'): Promise<Visit> {
  site.tampering = tampering;
  const visited = await visit(path);
  await enterCode(visited.page);
  site.tampering = {};
  return visited;
}

function failedChecks(page: Page): Promise<readonly string[]> {
  return page
    .locator('[data-check][data-state=failed]')
    .evaluateAll((found) => found.map((each) => each.getAttribute('data-check') ?? ''));
}

async function assertNotVerified({ page, context }: Visit, ...checks: string[]): Promise<void> {
  assert.equal(await page.getAttribute('[data-verdict]', 'data-verdict'), 'failed');
  assert.deepEqual(await failedChecks(page), checks);
  // Neither in words nor in a name that is read out.
  assert.doesNotMatch(await page.locator('body').innerText(), /verified|تصدیق شدہ/i);
  assert.doesNotMatch((await page.content()).replaceAll(/<script.*?<\/script>/gs, ''), /Verified/);
  for (const check of checks) {
    assert.ok(await page.locator(`[data-check="${check}"]`).isVisible());
  }
  await context.close();
}

test('a flipped byte in a tile shows the failed check, and never the word verified', async () => {
  const flipped: Tampering = {
    tile: (path, bytes) => (path.startsWith('tile/0/002') ? flipBit(bytes, 40) : bytes),
  };
  await assertNotVerified(await openTampered(flipped), 'inclusion');
  await assertNotVerified(await openTampered(flipped, '/?lang=ur'), 'inclusion');
});

test('a tile that is not published is told as that', async () => {
  const visited = await openTampered({ tile: () => null });
  const reason = await visited.page
    .locator('[data-check=inclusion] .places li')
    .first()
    .innerText();
  assert.match(reason, /could not be fetched/);
  await assertNotVerified(visited, 'inclusion', 'chain');
});

test('a missing number of the chain shows the failed check and which entry', async () => {
  const visited = await openTampered({
    answer: (answer) => {
      answer.subjects[0]?.entries.splice(2, 1);
      return answer;
    },
  });
  const place = await visited.page.locator('[data-check=numbers] .places li').first().innerText();
  assert.match(place, /missing: entry 3 at Demo Telecom/);
  await assertNotVerified(visited, 'numbers', 'chain');
});

test('an altered head shows the failed check', async () => {
  const options: Tampering['options'] = {
    alterHead: (head) => ({ ...head, number: head.number - 1 }),
  };
  await assertNotVerified(await openTampered({ options }), 'head-signature', 'chain');
});

test('a wrong key of the log, or of the keeper, shows the failed check', async () => {
  const { logKey, keeperKey } = (await Simulation.create()).keys;
  await assertNotVerified(
    await openTampered({ instance: (instance) => ({ ...instance, logKey }) }),
    'checkpoint-signature',
  );
  await assertNotVerified(
    await openTampered({ instance: (instance) => ({ ...instance, keeperKey }) }),
    'head-signature',
  );
});

test('an altered body is marked where it stands, and the rest is still shown', async () => {
  const visited = await openTampered({
    answer: (answer) => {
      const entry = answer.subjects[0]?.entries[1];
      if (entry !== undefined)
        entry.body = entry.body.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'));
      return answer;
    },
  });
  assert.equal(await visited.page.locator('[data-outcome]').count(), 9);
  await assertNotVerified(visited, 'bodies-open');
});

test('an answer that is no answer fails the first check', async () => {
  const visited = await openTampered({ answer: () => ({}) as never });
  await assertNotVerified(visited, 'view-opens');
});

test('a true history is verified, and tells all that the person is to be told', async () => {
  const { page, context, errors } = await visit('/?lang=en');
  await enterCode(page);
  assert.equal(await page.getAttribute('[data-verdict]', 'data-verdict'), 'ok');
  assert.deepEqual(await failedChecks(page), []);
  assert.equal(await page.locator('[data-check][data-state=ok]').count(), 11);
  const outcomes = await page
    .locator('[data-outcome]')
    .evaluateAll((found) => found.map((each) => each.getAttribute('data-outcome')));
  assert.deepEqual(outcomes, [
    ...['read', 'not-delivered', 'second-person', 'nothing-held', 'read', 'read', 'refused'],
    ...['read', 'read', 'read'],
  ]);
  const refused = await page.locator('[data-outcome=refused]').innerText();
  for (const told of [
    'Demo Health Programme',
    'No rule allows',
    'Checking who somebody is',
    'Address',
    '@',
  ]) {
    assert.ok(refused.includes(told), told);
  }
  assert.ok((await page.locator('[data-kind=sign-in]').count()) >= 2);
  assert.equal(await page.locator('.card').count(), 2);
  await page.locator('[data-outcome=read] summary').first().click();
  const proof = await page.locator('[data-outcome=read] .proof').first().innerText();
  assert.match(proof, /[0-9a-f]{64}/);
  assert.equal(await page.locator('table tbody tr').count(), 12);
  assert.deepEqual(errors, []);
  await context.close();
});

/** Without the lines of all witnesses but so many. */
function keepCosignatures(note: string, count: number): string {
  const isCosignature = (line: string) => line.startsWith('— witness.example/');
  const lines = note.split('\n');
  const kept = new Set(lines.filter(isCosignature).slice(0, count));
  return lines.filter((line) => !isCosignature(line) || kept.has(line)).join('\n');
}

/** One bit of the last witness's signature is another. */
function alterCosignature(note: string): string {
  const signature = note.trimEnd().split(' ').at(-1) as string;
  return note.replace(signature, flipBase64(signature, 40));
}

async function withWitnesses(act: () => Promise<void>): Promise<void> {
  site.simulation = witnessed;
  try {
    await act();
  } finally {
    site.simulation = simulation;
    site.tampering = {};
  }
}

test('an altered cosignature, or one too few, shows the failed check, and never the word verified', async () => {
  await withWitnesses(async () => {
    for (const path of ['/?lang=en', '/?lang=ur']) {
      for (const checkpoint of [alterCosignature, (note: string) => keepCosignatures(note, 2)]) {
        const visited = await openTampered({ checkpoint }, path);
        assert.equal(await visited.page.locator('[data-witnesses=ok]').count(), 0);
        await assertNotVerified(visited, 'witnessed');
      }
    }
  });
});

test('a cosigned history says by how many of how many, and by whom on demand, by keyboard', async () => {
  await withWitnesses(async () => {
    const { page, context, errors } = await visit('/?lang=en');
    await enterCode(page);
    assert.equal(await page.getAttribute('[data-verdict]', 'data-verdict'), 'ok');
    assert.equal(await page.locator('[data-check][data-state=ok]').count(), 12);
    const told = page.locator('.verdict [data-witnesses=ok]');
    assert.match(await told.innerText(), /^Cosigned by 3 of 4 independent witnesses$/);
    await told.locator('summary').focus();
    await page.keyboard.press('Enter');
    assert.deepEqual(await told.locator('li').allInnerTexts(), [
      'witness.example/east',
      'witness.example/west',
      'witness.example/north',
    ]);
    assert.equal(await page.locator('[data-notice=witnessed]').count(), 1);
    assert.doesNotMatch(await page.locator('body').innerText(), /not yet witnessed/i);
    assert.deepEqual(errors, []);
    await context.close();
  });
});

test('witnesses that the service hides are told as none, and nothing of a cosignature', async () => {
  await withWitnesses(async () => {
    const hidden: Tampering = { instance: (instance) => ({ ...instance, witnesses: null }) };
    const { page, context } = await openTampered(hidden);
    assert.equal(await page.getAttribute('[data-verdict]', 'data-verdict'), 'ok');
    assert.equal(
      await page.locator('.verdict [data-witnesses=none] summary').innerText(),
      'Not yet witnessed',
    );
    assert.equal(await page.locator('[data-notice=unwitnessed]').count(), 1);
    assert.equal(await page.locator('[data-check=witnessed]').count(), 0);
    assert.doesNotMatch(await page.locator('body').innerText(), /cosigned by/i);
    site.tampering = hidden;
    await page.reload();
    await page.waitForSelector('textarea');
    await page.click('header nav li:nth-child(3) a');
    await page.waitForSelector('main [data-witnesses=none]');
    assert.doesNotMatch(await page.locator('body').innerText(), /cosigned by/i);
    await context.close();
  });
});

test('a broken glass is told on every page, until when, and by how many it is', async () => {
  await withWitnesses(async () => {
    const brokenUntil = Date.UTC(2099, 0, 1, 7);
    const broken: Tampering = {
      instance: (instance) => ({ ...instance, brokenUntil }),
      checkpoint: (note) => keepCosignatures(note, 1),
    };
    const { page, context } = await openTampered(broken);
    assert.equal(await page.getAttribute('[data-verdict]', 'data-verdict'), 'ok');
    const until = /The glass is broken until 1 January 2099/;
    const notice = /The glass is broken until 1 January 2099[\s\S]*1 of 4/;
    assert.match(await page.locator('.verdict [data-broken-glass]').innerText(), notice);
    assert.match(await page.locator('[data-notice=broken]').innerText(), until);
    assert.match(
      await page.locator('.verdict [data-witnesses=ok]').innerText(),
      /^Cosigned by 1 of 4/,
    );
    site.tampering = broken;
    await page.click('header nav li:nth-child(3) a');
    await page.waitForSelector('main [data-witnesses=ok]');
    assert.match(await page.locator('main [data-broken-glass]').innerText(), notice);
    await context.close();
    // Once it is whole, as many as ever have to.
    const whole: Tampering = {
      ...broken,
      instance: (instance) => ({ ...instance, brokenUntil: Date.now() - 1 }),
    };
    const visited = await openTampered(whole);
    assert.equal(await visited.page.locator('[data-broken-glass]').count(), 0);
    await assertNotVerified(visited, 'witnessed');
  });
});

test('the page of the log tells who cosigned what is published, and what does not fit', async () => {
  await withWitnesses(async () => {
    for (const [checkpoint, outcome, words] of [
      [(note: string) => note, 'ok', /Cosigned by 3 of 4 independent witnesses/],
      [alterCosignature, 'wrong', /does not fit/],
      [(note: string) => keepCosignatures(note, 2), 'missing', /2 of 4 witnesses[\s\S]*3 have to/],
    ] as const) {
      site.tampering = { checkpoint };
      const { page, context } = await visit('/log?lang=en');
      await page.waitForSelector('main [data-witnesses]');
      assert.equal(await page.getAttribute('main [data-witnesses]', 'data-witnesses'), outcome);
      assert.match(await page.locator('main [data-witnesses]').innerText(), words);
      await context.close();
    }
  });
});

test('nobody looked is said, and until when that is complete', async () => {
  const quiet = await Simulation.create();
  quiet.addNoise(20, Date.now() - DAY);
  quiet.addEntry('demo-telecom', { kind: 'code', time: Date.now() - DAY });
  site.simulation = quiet;
  const { page, context } = await visit('/?lang=en');
  await enterCode(page);
  assert.match(await page.locator('.nobody').innerText(), /Nobody looked\.[\s\S]*Complete to \d/);
  assert.equal(await page.locator('[data-outcome]').count(), 0);
  site.simulation = simulation;
  await context.close();
});

test('a wrong code, a service that is down, and a clock that is off are told plainly', async () => {
  const { page, context } = await visit('/?lang=en');
  await enterCode(page, '0'.repeat(32));
  assert.equal(await page.getAttribute('[data-problem]', 'data-problem'), 'unknownCode');
  site.tampering = { problem: 'clock-ahead' };
  await page.click('button[type=submit]');
  await page.waitForSelector('[data-problem=clock]');
  site.tampering = {};
  site.down = true;
  await page.click('button[type=submit]');
  await page.waitForSelector('[data-problem=unavailable]');
  await page.reload();
  await page.waitForSelector('[data-problem=unavailable]');
  site.down = false;
  await page.click('.problem button');
  await page.waitForSelector('textarea');
  await context.close();
});

test('the code is in no URL, no storage and no request but sealed, and is gone after closing', async () => {
  const { page, context } = await visit('/?lang=en');
  await enterCode(page);
  const kept = await page.evaluate(async () => ({
    storage: [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length],
    cookies: document.cookie,
    url: location.href,
    html: document.documentElement.outerHTML,
  }));
  assert.deepEqual(kept.storage, [0, 0, 0]);
  assert.equal(kept.cookies, '');
  assert.ok(!kept.url.includes(simulation.code));
  assert.ok(!kept.html.includes(simulation.code));
  assert.ok(site.seen.every((request) => !request.includes(simulation.code)));
  // Away and back within the page keeps it; closing does not.
  await page.click('nav li:nth-child(2) a');
  await page.waitForSelector('.holding');
  await page.goBack();
  await page.waitForSelector('[data-verdict=ok]');
  await page.getByRole('button', { name: 'Close my records' }).click();
  assert.equal(await page.inputValue('textarea'), '');
  await page.reload();
  await page.waitForSelector('textarea');
  assert.equal(await page.inputValue('textarea'), '');
  await context.close();
});

test('the downloaded file passes the same checks outside the browser', async () => {
  const { page, context } = await visit('/?lang=en');
  await enterCode(page);
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download the file' }).click();
  const chunks: Buffer[] = [];
  for await (const chunk of await (await download).createReadStream()) chunks.push(chunk as Buffer);
  const file = Buffer.concat(chunks).toString('utf8');
  const verification = await verifyBundle(file, simulation.keys, Date.now());
  assert.equal(verification.verified, true);
  await context.close();
});

test('the whole journey goes by keyboard alone', async () => {
  const { page, context } = await visit('/?lang=en');
  const tabTo = async (selector: string) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const reached = await page.evaluate(
        (wanted) => document.activeElement?.matches(wanted) ?? false,
        selector,
      );
      if (!reached) continue;
      // What has the focus must show it.
      const outline = await page.evaluate(
        () => getComputedStyle(document.activeElement as Element).outlineStyle,
      );
      assert.equal(outline, 'solid');
      return;
    }
    assert.fail(`no way to ${selector} by keyboard`);
  };
  await tabTo('.skip');
  await tabTo('textarea');
  await page.keyboard.type(simulation.code);
  assert.match(await page.inputValue('textarea'), /^(?:[0-9a-f]{4} ){7}[0-9a-f]{4}$/);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-verdict=ok]');
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'H1');
  await tabTo('.verdict details:not(.witnesses) summary');
  await page.keyboard.press('Enter');
  assert.ok(await page.locator('[data-check=inclusion]').isVisible());
  await tabTo('.look-up summary');
  await page.keyboard.press('Space');
  assert.ok(await page.locator('.look-up .proof dl').first().isVisible());
  await tabTo('#bundle ~ button');
  await page.keyboard.press('Home');
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await tabTo('.language');
  await page.keyboard.press('Enter');
  await page.waitForSelector('html[lang=ur][dir=rtl]');
  // The language changes what is shown, and forgets nothing.
  assert.ok(await page.locator('[data-verdict=ok]').isVisible());
  assert.match(await page.locator('[data-outcome] time').first().innerText(), /[۰-۹]/);
  await context.close();
});

for (const language of ['en', 'ur']) {
  for (const width of [320, 1280]) {
    test(`no page has a violation or scrolls sideways (${language}, ${width} px)`, async () => {
      for (const dark of [false, true]) {
        const { page, context, errors } = await visit(`/?lang=${language}`, { width, dark });
        await check(page, 'form');
        await enterCode(page);
        await page.locator('details').evaluateAll((all) => {
          for (const each of all) (each as HTMLDetailsElement).open = true;
        });
        await check(page, 'person');
        await page.click('header nav li:nth-child(2) a');
        await page.waitForSelector('.holding');
        // What is declared and not yet in force says from when it is.
        assert.equal(await page.locator('.holding:not(.seals)').count(), 3);
        assert.equal(await page.locator('.seals li').count(), 1);
        assert.match(await page.locator('.holding strong').innerText(), /2099|۲۰۹۹/);
        await page.locator('.destroyed summary').click();
        await page.locator('[data-month="2025-10"] button').click();
        await page.waitForSelector('[data-certificate=ok]');
        await check(page, 'register');
        await page.click('header nav li:nth-child(3) a');
        await page.waitForSelector('.leaves li');
        assert.equal(await page.getAttribute('[data-signature]', 'data-signature'), 'ok');
        assert.ok(await page.locator('.banner').isVisible());
        await check(page, 'log');
        assert.deepEqual(errors, []);
        await context.close();
      }
    });
  }
}

for (const language of ['en', 'ur']) {
  for (const width of [320, 1280]) {
    test(`no page about witnesses has a violation or scrolls sideways (${language}, ${width} px)`, async () => {
      await withWitnesses(async () => {
        const brokenUntil = Date.UTC(2099, 0, 1, 7);
        for (const [name, tampering] of [
          ['witnessed', {}],
          ['broken', { instance: (each) => ({ ...each, brokenUntil }) }],
          ['too few', { checkpoint: (note) => keepCosignatures(note, 0) }],
        ] as readonly (readonly [string, Tampering])[]) {
          site.tampering = tampering;
          const { page, context, errors } = await visit(`/?lang=${language}`, { width });
          await enterCode(page);
          await page.locator('details').evaluateAll((all) => {
            for (const each of all) (each as HTMLDetailsElement).open = true;
          });
          await check(page, `${name}, person`);
          await page.click('header nav li:nth-child(3) a');
          await page.waitForSelector('main [data-witnesses]');
          await check(page, `${name}, log`);
          assert.deepEqual(errors, []);
          await context.close();
        }
      });
    });
  }
}

test('a failed page has no violation either', async () => {
  const { page, context } = await openTampered({ tile: () => null });
  await check(page, 'failed');
  await context.close();
});

test('a destroyed month is told with its date, and its certificate is checked and saved, by keyboard', async () => {
  const { page, context, errors } = await visit('/register?lang=en');
  assert.equal(await page.locator('[data-destroyed="0"]').count(), 1);
  const summary = page.locator('.destroyed summary');
  assert.equal(await summary.innerText(), '3 months of these records are destroyed');
  await summary.focus();
  await page.keyboard.press('Enter');
  const lines = await page.locator('.destroyed li').allInnerTexts();
  assert.match(lines[0] as string, /^October 2026: entry 7 of the log; its certificate is to come/);
  assert.match(lines[1] as string, /^October 2025: destroyed on 2 November 2025, entry 60\d/);
  assert.equal(await page.locator('[data-month="2026-10"] button').count(), 0);
  await page.locator('[data-month="2025-10"] button').focus();
  await page.keyboard.press('Enter');
  const month = page.locator('[data-month="2025-10"][data-certificate=ok]');
  assert.match(await month.innerText(), /Your browser checked it/);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    month.locator('button').click(),
  ]);
  assert.equal(download.suggestedFilename(), 'amanat-destroyed-travel-history-2025-10.json');
  const { readFile } = await import('node:fs/promises');
  const proof = await readFile(await download.path(), 'utf8');
  const { verified, certificate } = await verifyShredProof(proof, simulation.keys, Date.now());
  assert.deepEqual([verified, certificate?.month], [true, '2025-10']);
  assert.deepEqual(errors, []);
  await context.close();
});

test('a certificate that is another’s, or of another key, is never called checked', async () => {
  const other = await Simulation.create();
  fillHistory(other, Date.now());
  const [index = 0] = [...simulation.certified.keys()];
  for (const certificate of [
    // Of another month, sound in itself.
    () => simulation.certified.get(index) as CertifiedEntry,
    (each: CertifiedEntry) => ({ ...each, signature: flipBase64(each.signature, 40) }),
    () => [...other.certified.values()][1] as CertifiedEntry,
  ]) {
    site.tampering = { certificate };
    const { page, context } = await visit('/register?lang=en');
    await page.locator('.destroyed summary').click();
    await page.locator('[data-month="2025-10"] button').click();
    await page.waitForSelector('[data-month="2025-10"][data-certificate=failed]');
    const told = await page.locator('[data-month="2025-10"]').innerText();
    assert.match(told, /does not fit/);
    assert.doesNotMatch(told, /checked it/);
    assert.equal(await page.locator('[data-month="2025-10"] button').count(), 0);
    await context.close();
    site.tampering = {};
  }
});

async function check(page: Page, name: string): Promise<void> {
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.equal(overflow, 0, `${name} scrolls sideways`);
  const violations = await violationsOf(page);
  assert.deepEqual(violations, [], name);
}

/** What axe finds. It is put in by the test's own channel, which the content security policy does not govern. */
async function violationsOf(page: Page): Promise<readonly string[]> {
  const { readFile } = await import('node:fs/promises');
  await page.evaluate(await readFile(axeFile, 'utf8'));
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: {
        run(): Promise<{
          violations: readonly { id: string; nodes: readonly { html: string }[] }[];
        }>;
      };
    };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)}`);
  });
}
