import { claimedKeys, makeShredProof, verifyShredProof } from '@amanat/core/verify';
import { useState } from 'react';
import type { DestroyedMonth, Instance } from '../api.ts';
import { fetchCertificate, fetchCheckpoint } from '../api.ts';
import { saveFile } from '../save-file.ts';
import { httpTiles } from '../tiles.ts';
import { counted, useWords } from '../use-words.ts';

/** So many of a holding's destroyed months are shown, the latest. */
const MONTHS_SHOWN = 60;

/** Which months of a holding are destroyed, and when, each with its certificate to check. */
export function DestroyedMonths({
  months,
  instance,
}: {
  readonly months: readonly DestroyedMonth[];
  readonly instance: Instance;
}) {
  const { t, format } = useWords();
  if (months.length === 0) return <p data-destroyed="0">{t('destroyed.none')}</p>;
  const latest = months.toReversed().slice(0, MONTHS_SHOWN);
  return (
    <details className="destroyed" data-destroyed={months.length}>
      <summary>{t('destroyed.months', counted(months.length, format))}</summary>
      <p className="hint">{t('destroyed.text')}</p>
      <ul>
        {latest.map((month) => (
          <Month key={month.month} month={month} instance={instance} />
        ))}
      </ul>
    </details>
  );
}

type Outcome = { readonly state: 'ok' | 'failed'; readonly proof: string } | 'checking' | 'missing';

function Month({
  month: { holding, month, index, destroyed },
  instance,
}: {
  readonly month: DestroyedMonth;
  readonly instance: Instance;
}) {
  const { t, format } = useWords();
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [year = 0, number = 1] = month.split('-').map(Number);
  const name = format.month(year, number - 1);
  const check = async () => {
    setOutcome('checking');
    try {
      setOutcome(await checkCertificate({ holding, month, index }, instance));
    } catch {
      setOutcome('missing');
    }
  };
  const told = outcome !== null && typeof outcome !== 'string' ? outcome : null;
  return (
    <li data-month={month} data-certificate={told?.state}>
      {destroyed === null
        ? t('destroyed.uncertified', { month: name, index: format.number(index) })
        : t('destroyed.month', {
            month: name,
            date: format.date(destroyed),
            index: format.number(index),
          })}
      <p className="actions">
        {destroyed !== null && told === null && (
          <button type="button" className="quiet" onClick={check} disabled={outcome === 'checking'}>
            {t('destroyed.check')}
            <span className="visually-hidden">: {name}</span>
          </button>
        )}
        {told?.state === 'ok' && (
          <button
            type="button"
            className="quiet"
            onClick={() => saveFile(`amanat-destroyed-${holding}-${month}.json`, told.proof)}
          >
            {t('destroyed.save')}
            <span className="visually-hidden">: {name}</span>
          </button>
        )}
      </p>
      <p
        role="status"
        className={told === null ? 'hint' : told.state === 'ok' ? 'sound' : 'unsound'}
      >
        {outcome === 'checking' && t('wait.loading')}
        {outcome === 'missing' && t('destroyed.missing')}
        {told !== null && t(told.state === 'ok' ? 'destroyed.good' : 'destroyed.bad')}
      </p>
    </li>
  );
}

/** Checks, in this browser, the keeper's word and that the entry stands in the log. @throws where it cannot be fetched */
async function checkCertificate(
  { holding, month, index }: Pick<DestroyedMonth, 'holding' | 'month' | 'index'>,
  instance: Instance,
): Promise<Exclude<Outcome, string>> {
  const now = Date.now();
  const keys = claimedKeys(instance, now);
  const [certified, checkpoint] = await Promise.all([fetchCertificate(index), fetchCheckpoint()]);
  const proof = await makeShredProof({ certified, checkpoint, tiles: httpTiles, keys });
  const { verified, certificate } = await verifyShredProof(proof, keys, now);
  // One of another month may be as sound.
  const isOfIt = certificate?.holding === holding && certificate.month === month;
  return { state: verified && isOfIt ? 'ok' : 'failed', proof };
}
