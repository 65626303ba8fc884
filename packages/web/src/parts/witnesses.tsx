import type { ClaimedBreak, Witnessed } from '@amanat/core/verify';
import { counted, useWords } from '../use-words.ts';

/** Who cosigned a checkpoint, as this browser checked it; null where nobody has to yet. */
export function Witnesses({ witnessed }: { readonly witnessed: Witnessed | null }) {
  const { t, format } = useWords();
  if (witnessed === null) return <Unwitnessed />;
  const { outcome, cosigners, quorum, count } = witnessed;
  const numbers = {
    ...counted(count, format),
    of: format.number(cosigners.length),
  };
  if (outcome !== 'ok') {
    return (
      <p className="unsound" data-witnesses={outcome}>
        {outcome === 'wrong' || outcome === 'unsupported'
          ? t(`witnesses.${outcome}`)
          : t('witnesses.tooFew', { ...numbers, needed: format.number(quorum) })}
      </p>
    );
  }
  return (
    <details className="witnesses" data-witnesses="ok">
      <summary>{t('witnesses.cosigned', numbers)}</summary>
      <Names names={cosigners.map(({ name }) => name)} />
      <p>{t('witnesses.why')}</p>
    </details>
  );
}

/** That nobody vouches yet that everyone is shown the same log. */
function Unwitnessed() {
  const { t } = useWords();
  return (
    <details className="witnesses" data-witnesses="none">
      <summary>{t('notice.unwitnessed')}</summary>
      <p>{t('notice.unwitnessedWhy')}</p>
    </details>
  );
}

/** That fewer witnesses do for a while. */
export function BrokenGlass({ broken }: { readonly broken: ClaimedBreak }) {
  const { t, format } = useWords();
  const { until, quorum, count } = broken;
  return (
    <div className="broken-glass" data-broken-glass>
      <p>
        <b>{t('witnesses.broken', { time: format.dateTime(until) })}</b>
      </p>
      <p>
        {t('witnesses.brokenWhy', { ...counted(count, format), needed: format.number(quorum) })}
      </p>
    </div>
  );
}

/** Witnesses by the names of their keys, which are written in Latin letters in every language. */
export function Names({ names }: { readonly names: readonly string[] }) {
  return (
    <ul className="names code">
      {names.map((name) => (
        <li key={name}>{name}</li>
      ))}
    </ul>
  );
}
