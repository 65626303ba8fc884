import type { Check, ClaimedBreak, FailedAt, Verification } from '@amanat/core/verify';
import type { Directory } from '../directory.ts';
import { Ring } from '../parts/ring.tsx';
import { BrokenGlass, Witnesses } from '../parts/witnesses.tsx';
import { counted, useWords } from '../use-words.ts';

/** Places told for one failed check; the file holds them all. */
const PLACES_MAX = 5;

/** What the browser's own checks came to, and each of them. The word that all is well stands here alone. */
export function Verdict({
  verification,
  brokenGlass,
  completeTo,
  directory,
}: {
  readonly verification: Verification;
  readonly brokenGlass: ClaimedBreak | null;
  readonly completeTo: number | null;
  readonly directory: Directory;
}) {
  const { t, format } = useWords();
  const { verified, checks, checkpoint, witnessed, chains, material } = verification;
  const entries = chains.reduce((sum, chain) => sum + chain.number, 0);
  const failed = checks.filter((check) => check.state === 'failed').length;
  const isUnwitnessed = witnessed !== null && witnessed.outcome !== 'ok';
  const aliases = new Set(chains.flatMap(({ alias, subject }) => (alias ? [subject] : [])));
  return (
    <section
      className={verified ? 'verdict verdict-ok' : 'verdict verdict-bad'}
      aria-labelledby="verdict"
      data-verdict={verified ? 'ok' : 'failed'}
    >
      <Ring states={checks.map((check) => check.state)} />
      <div className="verdict-words" role="status">
        <h2 id="verdict">{t(verified ? 'verdict.ok' : 'verdict.bad')}</h2>
        <p>
          {verified
            ? t('verdict.okText', counted(entries, format))
            : t('verdict.badText', counted(failed, format))}
        </p>
        {verified && completeTo !== null && (
          <p className="complete">
            {t('verdict.completeTo', { time: format.dateTime(completeTo) })}
          </p>
        )}
      </div>
      {brokenGlass !== null && <BrokenGlass broken={brokenGlass} />}
      {(verified || isUnwitnessed) && <Witnesses witnessed={witnessed} />}
      <details open={!verified}>
        <summary>{t('verdict.details')}</summary>
        <p className="hint">{t('verdict.ring')}</p>
        <ul className="checks">
          {failedFirst(checks).map((check) => (
            <CheckLine key={check.id} check={check} aliases={aliases} directory={directory} />
          ))}
        </ul>
        <h3>{t('verdict.limits')}</h3>
        <p>{t('verdict.limitsText')}</p>
        {material !== null && (
          <>
            <h3>{t('verdict.keys')}</h3>
            <dl className="keys">
              <dt>{t('verdict.logKey')}</dt>
              <dd className="code">{material.keys.logKey}</dd>
              <dt>{t('verdict.keeperKey')}</dt>
              <dd className="code">{material.keys.keeperKey}</dd>
              {material.keys.witnesses !== null && (
                <>
                  <dt>
                    {t('verdict.witnessKeys', {
                      ...counted(material.keys.witnesses.keys.length, format),
                      needed: format.number(material.keys.witnesses.quorum),
                    })}
                  </dt>
                  {material.keys.witnesses.keys.map((key) => (
                    <dd key={key} className="code">
                      {key}
                    </dd>
                  ))}
                </>
              )}
              {checkpoint !== null && (
                <>
                  <dt>{t('verdict.tree', counted(checkpoint.size, format))}</dt>
                  <dd className="code">{checkpoint.root}</dd>
                </>
              )}
            </dl>
          </>
        )}
      </details>
    </section>
  );
}

/** In their own order, but that what failed is read first. */
function failedFirst(checks: readonly Check[]): readonly Check[] {
  const failed = checks.filter((check) => check.state === 'failed');
  return [...failed, ...checks.filter((check) => check.state !== 'failed')];
}

function CheckLine({
  check,
  aliases,
  directory,
}: {
  readonly check: Check;
  /** The subjects whose chains are a number's own. */
  readonly aliases: ReadonlySet<string>;
  readonly directory: Directory;
}) {
  const { t, format, language } = useWords();
  const placeOf = ({ controller: id, subject, number }: FailedAt): string => {
    if (id === null) return '';
    const controller = directory.controllerName(id, language);
    if (number === null) return `: ${controller}`;
    const isAlias = subject !== null && aliases.has(subject);
    const place = { n: format.number(number), controller };
    return `: ${t(isAlias ? 'verdict.atAlias' : 'verdict.at', place)}`;
  };
  return (
    <li data-check={check.id} data-state={check.state}>
      <p className="check">
        <b>{t(`check.${check.id}.name`)}</b>
        <span className="state">{t(`state.${check.state}`)}</span>
      </p>
      <p>{t(`check.${check.id}.text`)}</p>
      {check.failures.length > 0 && (
        <ul className="places">
          {check.failures.slice(0, PLACES_MAX).map((failure) => (
            <li key={`${failure.subject} ${failure.number} ${failure.reason}`}>
              {t(`reason.${failure.reason}`)}
              {placeOf(failure)}
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
