import type { LogEntry, Witnessed } from '@amanat/core/verify';
import {
  brokenGlassOf,
  checkWitnesses,
  claimedKeys,
  openCheckpoint,
  readLatestEntries,
} from '@amanat/core/verify';
import { useCallback, useEffect, useState } from 'react';
import type { Instance } from '../api.ts';
import { fetchCheckpoint } from '../api.ts';
import type { ProblemCode } from '../parts/problem.tsx';
import { Problem, problemOf } from '../parts/problem.tsx';
import { BrokenGlass, Witnesses } from '../parts/witnesses.tsx';
import { readEntryBundle } from '../tiles.ts';
import { counted, useWords } from '../use-words.ts';
import { LeafLine } from './leaf-line.tsx';

const ENTRIES_AT_A_TIME = 25;

interface Shown {
  readonly note: string;
  readonly signature: 'ok' | 'wrong' | 'unsupported';
  /** null where nobody has to cosign yet. */
  readonly witnessed: Witnessed | null;
  readonly size: number;
  readonly entries: readonly LogEntry[];
}

/** The public log: its size, its signed checkpoint, its latest entries as anyone may read them. */
export function LogPage({ instance }: { readonly instance: Instance }) {
  const { t, format } = useWords();
  const [shown, setShown] = useState<Shown | ProblemCode | null>(null);

  const load = useCallback(
    async (before: number) => {
      try {
        const note = await fetchCheckpoint();
        const { checkpoint, signature } = await openCheckpoint(note, instance.logKey);
        const { witnesses } = claimedKeys(instance, Date.now());
        const witnessed = witnesses && (await checkWitnesses(note, witnesses));
        const size = checkpoint?.size ?? 0;
        const entries = await readLatestEntries({
          read: readEntryBundle,
          size,
          before,
          count: ENTRIES_AT_A_TIME,
        });
        setShown({ note, signature, witnessed, size, entries });
      } catch (error) {
        setShown(problemOf(error));
      }
    },
    [instance],
  );
  const broken = brokenGlassOf(instance, Date.now());
  useEffect(() => void load(Number.MAX_SAFE_INTEGER), [load]);

  return (
    <>
      <h1>{t('log.title')}</h1>
      <p className="lead">{t('log.lead')}</p>
      {shown === null && <p role="status">{t('wait.loading')}</p>}
      {typeof shown === 'string' && (
        <Problem code={shown} onAgain={() => load(Number.MAX_SAFE_INTEGER)} />
      )}
      {shown !== null && typeof shown !== 'string' && (
        <>
          <p className="figure">{t('log.size', counted(shown.size, format))}</p>
          <h2>{t('log.checkpoint')}</h2>
          <pre className="code" dir="ltr">
            {shown.note}
          </pre>
          <p
            className={shown.signature === 'ok' ? 'sound' : 'unsound'}
            data-signature={shown.signature}
          >
            {t(
              shown.signature === 'ok'
                ? 'log.good'
                : shown.signature === 'wrong'
                  ? 'log.bad'
                  : 'log.unsupported',
            )}
          </p>
          {broken !== null && <BrokenGlass broken={broken} />}
          <Witnesses witnessed={shown.witnessed} />
          {shown.witnessed?.outcome === 'missing' && <p className="hint">{t('log.tooFew')}</p>}
          <h2>{t('log.entries')}</h2>
          <p className="hint">{t('log.unproven')}</p>
          {shown.entries.length === 0 && <p>{t('log.empty')}</p>}
          <ol className="leaves">
            {shown.entries.map((entry) => (
              <LeafLine key={entry.index} entry={entry} />
            ))}
          </ol>
          <p className="actions">
            <button
              type="button"
              className="quiet"
              disabled={(shown.entries.at(-1)?.index ?? 0) === 0}
              onClick={() => load(shown.entries.at(-1)?.index ?? 0)}
            >
              {t('log.older')}
            </button>
            <button type="button" className="quiet" onClick={() => load(Number.MAX_SAFE_INTEGER)}>
              {t('log.newest')}
            </button>
          </p>
        </>
      )}
    </>
  );
}
