import type { LogEntry } from '@amanat/core/verify';
import { openCheckpoint, readLatestEntries } from '@amanat/core/verify';
import { useCallback, useEffect, useState } from 'react';
import type { Instance } from '../api.ts';
import { fetchCheckpoint } from '../api.ts';
import type { ProblemCode } from '../parts/problem.tsx';
import { Problem, problemOf } from '../parts/problem.tsx';
import { readEntryBundle } from '../tiles.ts';
import { counted, useWords } from '../use-words.ts';
import { LeafLine } from './leaf-line.tsx';

const ENTRIES_AT_A_TIME = 25;

interface Shown {
  readonly note: string;
  readonly signature: 'ok' | 'wrong' | 'unsupported';
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
        const size = checkpoint?.size ?? 0;
        const entries = await readLatestEntries({
          read: readEntryBundle,
          size,
          before,
          count: ENTRIES_AT_A_TIME,
        });
        setShown({ note, signature, size, entries });
      } catch (error) {
        setShown(problemOf(error));
      }
    },
    [instance.logKey],
  );
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
          <p>
            {instance.witnessed ? '' : `${t('notice.unwitnessed')}. ${t('notice.unwitnessedWhy')}`}
          </p>
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
