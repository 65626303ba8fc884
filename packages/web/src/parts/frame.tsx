import { brokenGlassOf } from '@amanat/core/verify';
import type { MouseEvent, ReactNode, RefObject } from 'react';
import type { Instance, Language } from '../api.ts';
import type { Page } from '../route.ts';
import { hrefOf } from '../route.ts';
import { counted, useWords } from '../use-words.ts';
import { Ring } from './ring.tsx';
import { Names } from './witnesses.tsx';

const PAGES: readonly Page[] = ['person', 'register', 'log'];

/** What stands around every page: the banner, the name, the ways to the other pages, and the foot. */
export function Frame({
  instance,
  page,
  onPage,
  onLanguage,
  mainRef,
  children,
}: {
  readonly instance: Instance | null;
  readonly page: Page;
  readonly onPage: (page: Page) => void;
  readonly onLanguage: (language: Language) => void;
  readonly mainRef: RefObject<HTMLElement | null>;
  readonly children: ReactNode;
}) {
  const { t, language } = useWords();
  const other: Language = language === 'en' ? 'ur' : 'en';
  return (
    <>
      <a className="skip" href="#main">
        {t('skip')}
      </a>
      <header className="masthead">
        <Banner instance={instance} />
        <div className="column masthead-row">
          <p className="wordmark">
            <Ring states={Array.from({ length: 11 }, () => 'ok')} />
            <span>
              <b>{t('name')}</b>
              <small>{t('meaning')}</small>
            </span>
          </p>
          <a
            className="language"
            href={hrefOf(page, other)}
            hrefLang={other}
            lang={other}
            onClick={(event) => follow(event, () => onLanguage(other))}
          >
            {t('otherLanguage')}
          </a>
        </div>
        <nav aria-label={t('nav.label')} className="column">
          <ul>
            {PAGES.map((each) => (
              <li key={each}>
                <a
                  href={hrefOf(each, language)}
                  aria-current={each === page ? 'page' : undefined}
                  onClick={(event) => follow(event, () => onPage(each))}
                >
                  {t(`nav.${each}`)}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </header>
      <main id="main" className="column" tabIndex={-1} ref={mainRef}>
        {children}
      </main>
      <footer>
        <div className="column">
          <p>{t('footer.what')}</p>
          <p>{t('footer.source')}</p>
          {instance !== null && <p className="code">{instance.origin}</p>}
        </div>
      </footer>
    </>
  );
}

function Banner({ instance }: { readonly instance: Instance | null }) {
  const { t } = useWords();
  if (instance === null) return null;
  return (
    <>
      {instance.mode === 'demo' && (
        <div className="banner" data-mode="demo">
          <p className="column">{t('notice.demo')}</p>
        </div>
      )}
      {instance.mode !== 'demo' && instance.banner !== null && (
        <div className="banner" lang="en" dir="ltr">
          <p className="column">{instance.banner}</p>
        </div>
      )}
      <WitnessNotice instance={instance} />
    </>
  );
}

/** What the service says of its witnesses: who has to cosign, and not that they did, which nobody checks here. */
function WitnessNotice({ instance }: { readonly instance: Instance }) {
  const { t, format } = useWords();
  const { witnesses } = instance;
  const broken = brokenGlassOf(instance, Date.now());
  if (witnesses === null) {
    return (
      <details className="notice" data-notice="unwitnessed">
        <summary className="column">{t('notice.unwitnessed')}</summary>
        <p className="column">{t('notice.unwitnessedWhy')}</p>
      </details>
    );
  }
  if (broken !== null) {
    const { until, quorum, count } = broken;
    const numbers = { ...counted(count, format), needed: format.number(quorum) };
    return (
      <details className="notice notice-broken" data-notice="broken">
        <summary className="column">
          {t('witnesses.broken', { time: format.dateTime(until) })}
        </summary>
        <p className="column">{t('witnesses.brokenWhy', numbers)}</p>
      </details>
    );
  }
  const numbers = {
    ...counted(witnesses.keys.length, format),
    needed: format.number(witnesses.quorum),
  };
  return (
    <details className="notice" data-notice="witnessed">
      <summary className="column">{t('notice.witnessed', numbers)}</summary>
      <div className="column">
        <Names names={witnesses.names} />
        <p>{t('notice.witnessedWhy')}</p>
      </div>
    </details>
  );
}

/** Follows a link without loading a page anew, which would forget what is shown; but leaves new tabs alone. */
function follow(event: MouseEvent, act: () => void): void {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  act();
}
