import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser } from './_browser.ts';

test('the browser of the tests shows a page in any script', async () => {
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: 320, height: 568 } });
    await page.goto('data:text/html;charset=utf-8,<title>امانت</title><p>seen</p>');
    assert.equal(await page.title(), 'امانت');
    assert.equal(await page.textContent('p'), 'seen');
    assert.match(browser.version(), /^1[5-9]\d\./);
  } finally {
    await browser.close();
  }
});

test('two browsers run side by side', async () => {
  const browsers = await Promise.all([launchBrowser(), launchBrowser()]);
  const sums = await Promise.all(
    browsers.map(async (browser) => (await browser.newPage()).evaluate(() => 1 + 1)),
  );
  await Promise.all(browsers.map((browser) => browser.close()));
  assert.deepEqual(sums, [2, 2]);
});
