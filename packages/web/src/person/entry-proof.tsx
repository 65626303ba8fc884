import type { Directory } from '../directory.ts';
import { counted, useWords } from '../use-words.ts';
import type { Told } from './look-ups.ts';

/** What an entry was checked by, for those who want to see it. */
export function EntryProof({
  told: { controller, alias, entry, statement, withheld },
  directory,
}: {
  readonly told: Told;
  readonly directory: Directory;
}) {
  const { t, format, language } = useWords();
  const { number, index, commitment, leafHash, proof } = entry;
  const name = directory.controllerName(controller, language);
  return (
    <details className="proof">
      <summary>{t('lookUps.proof')}</summary>
      <dl>
        <dt>{t('proof.number')}</dt>
        <dd>
          {t(placeOf(alias, withheld !== null), {
            n: format.number(number),
            controller: name,
          })}
        </dd>
        <dt>{t('proof.index')}</dt>
        <dd className="code">{index}</dd>
        <dt>{t('proof.commitment')}</dt>
        <dd className="code">{commitment ?? t('proof.none')}</dd>
        <dt>{t('proof.leaf')}</dt>
        <dd className="code">{leafHash ?? t('proof.none')}</dd>
        <dt>{t('proof.path', counted(proof?.length ?? 0, format))}</dt>
        <dd>
          <ol className="path code">
            {(proof ?? []).map((hash) => (
              <li key={hash}>{hash}</li>
            ))}
          </ol>
        </dd>
        {statement.officer !== null && (
          <>
            <dt>{t('proof.officer')}</dt>
            <dd className="code">{statement.officer}</dd>
          </>
        )}
        {statement.evidence !== null && (
          <>
            <dt>{t('proof.evidence')}</dt>
            <dd className="code">{statement.evidence}</dd>
          </>
        )}
      </dl>
    </details>
  );
}

/** Which of her numberings an entry's number is of. */
function placeOf(alias: boolean, withheld: boolean) {
  if (withheld) return 'proof.sealedText';
  return alias ? 'proof.aliasText' : 'proof.numberText';
}
