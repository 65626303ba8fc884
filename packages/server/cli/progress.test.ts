import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Progress } from './progress.ts';

describe('progress', () => {
  const watch = (isTTY: boolean) => {
    const written: string[] = [];
    const clock = { now: 0 };
    const progress = new Progress(
      { isTTY, write: (text) => written.push(text) },
      { label: 'importing', unit: 'rows', now: () => clock.now },
    );
    return { written, clock, progress };
  };

  it('says nothing about what is done within a second', () => {
    const { written, clock, progress } = watch(true);
    clock.now = 999;
    progress.at(10, 10);
    progress.end(10);
    assert.deepEqual(written, []);
  });

  it('adds a line only every few seconds where nobody watches', () => {
    const { written, clock, progress } = watch(false);
    for (clock.now = 0; clock.now < 10_000; clock.now += 100) progress.at(clock.now, 10_000);
    assert.equal(written.length, 3);
    assert.match(written[0] ?? '', /importing: 3,000 of 10,000 rows\n$/);
  });

  it('rewrites one line on a terminal, and ends it', () => {
    const { written, clock, progress } = watch(true);
    clock.now = 2000;
    progress.at(5);
    progress.end(6);
    assert.match(written.join(''), /\r[^\n]*5 rows\r[^\n]*6 rows in 2\.0 s\n$/);
  });
});
