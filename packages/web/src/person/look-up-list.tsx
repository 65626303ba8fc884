import { useState } from 'react';
import type { Directory } from '../directory.ts';
import { counted, useWords } from '../use-words.ts';
import { LookUpItem } from './look-up-item.tsx';
import type { History } from './look-ups.ts';

const SHOWN_AT_A_TIME = 50;

/** Who looked, newest first. */
export function LookUpList({
  history: { lookUps, unreadable, completeTo },
  verified,
  directory,
}: {
  readonly history: History;
  readonly verified: boolean;
  readonly directory: Directory;
}) {
  const { t, format } = useWords();
  const [shown, setShown] = useState(SHOWN_AT_A_TIME);
  return (
    <section aria-labelledby="look-ups">
      <h2 id="look-ups">{t('lookUps.title')}</h2>
      {lookUps.length > 0 && (
        <p className="figure">{t('lookUps.summary', counted(lookUps.length, format))}</p>
      )}
      {lookUps.length === 0 && verified && completeTo !== null && (
        <div className="nobody">
          <p className="figure">{t('lookUps.nobody')}</p>
          <p>{t('lookUps.nobodyText', { time: format.dateTime(completeTo) })}</p>
        </div>
      )}
      {lookUps.length === 0 && !verified && <p>{t('lookUps.nobodyUnsure')}</p>}
      {unreadable > 0 && (
        <p className="unsound">{t('lookUps.unreadable', counted(unreadable, format))}</p>
      )}
      <ol className="look-ups">
        {lookUps.slice(0, shown).map((lookUp) => (
          <LookUpItem key={lookUp.key} lookUp={lookUp} directory={directory} />
        ))}
      </ol>
      {lookUps.length > shown && (
        <button type="button" className="quiet" onClick={() => setShown(shown + SHOWN_AT_A_TIME)}>
          {t('lookUps.more')}
        </button>
      )}
    </section>
  );
}
