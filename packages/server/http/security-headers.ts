import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';

/** What every reply tells a browser: to run, show and fetch nothing but what is ours. */
const setHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      'default-src': ["'none'"],
      'script-src': ["'self'"],
      'style-src': ["'self'"],
      'font-src': ["'self'"],
      'img-src': ["'self'", 'data:'],
      'connect-src': ["'self'"],
      'manifest-src': ["'self'"],
      'base-uri': ["'none'"],
      'form-action': ["'none'"],
      'frame-ancestors': ["'none'"],
    },
  },
  referrerPolicy: { policy: 'no-referrer' },
  // Whoever ends TLS in front of us says for how long it is to be asked for.
  strictTransportSecurity: false,
});

/** Helmet's headers, which are the same for every reply: asked for once, because it makes them anew each time. */
export function securityHeaders(): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  const response = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value;
    },
    removeHeader: () => {},
  };
  const fail = (error?: unknown) => {
    if (error !== undefined) throw error;
  };
  setHeaders({} as IncomingMessage, response as unknown as ServerResponse, fail);
  return headers;
}
