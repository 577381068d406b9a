/**
 * The page of a console, `/consoles/NODE`: the same bytes for every node, whether there is one or not, and for
 * everybody. It asks for a token itself and has no rights of its own.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'

interface Asset {
  bytes: Buffer
  type: string
  etag: string
}

const directory = new URL('../../console/page/', import.meta.url)
/** What the page takes out of packages, by the name it is served by. */
const fromPackages = {
  'xterm.mjs': '@xterm/xterm/lib/xterm.mjs',
  'xterm.css': '@xterm/xterm/css/xterm.css',
  'addon-fit.mjs': '@xterm/addon-fit/lib/addon-fit.mjs',
} as const

const types: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  html: 'text/html; charset=utf-8',
}

/** Adds `/consoles/NODE` and what it is made of. Everything is read now, and served from memory. */
export function registerConsolePage(app: FastifyInstance): void {
  const html = asset('index.html', readFileSync(new URL('index.html', directory)))
  const assets = new Map<string, Asset>()
  for (const name of readdirSync(directory))
    if (/^[a-z-]+\.(js|css|svg)$/.test(name))
      assets.set(name, asset(name, readFileSync(new URL(name, directory))))
  for (const [name, specifier] of Object.entries(fromPackages))
    assets.set(name, asset(name, readFileSync(fileURLToPath(import.meta.resolve(specifier)))))
  const mapHash = importMapHash(html.bytes.toString())

  get(app, '/consoles/:node', (request, reply) => {
    // The page's own addresses are relative to it, so that it works behind any prefix of a proxy.
    const slashed = /([^/?]+)\/+(?=\?|$)/.exec(request.url)
    if (slashed) return reply.redirect(`../${slashed[1]}`, 308)
    reply.header('content-security-policy', contentSecurityPolicy(mapHash, request.host))
    return send(request, reply, html)
  })
  get(app, '/consoles/assets/:name', (request, reply) => {
    const found = assets.get((request.params as { name: string }).name)
    return found ? send(request, reply, found) : nothing(reply)
  })
  get(app, '/consoles/*', (_request, reply) => nothing(reply))
}

/**
 * Scripts are ours or none. xterm.js draws with `<style>` elements that it fills itself and, for colours of 24 bits,
 * with `style` attributes, so styles may be inline; with nothing to load from elsewhere they can carry nothing out.
 * Not every browser takes `'self'` to mean its WebSockets too, so these are named.
 */
function contentSecurityPolicy(importMap: string, host: string): string {
  const sockets = /^[\w.:[\]-]+$/.test(host) ? ` ws://${host} wss://${host}` : ''
  return [
    "default-src 'none'",
    `script-src 'self' '${importMap}'`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self'",
    `connect-src 'self'${sockets}`,
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** The hash by which a policy lets the page's import map through, its only script that is no file. */
function importMapHash(html: string): string {
  const map = /<script type="importmap">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? ''
  return `sha256-${createHash('sha256').update(map).digest('base64')}`
}

function asset(name: string, bytes: Buffer): Asset {
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
  return { bytes, type: types[name.split('.').pop() ?? ''] as string, etag }
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => FastifyReply

/** A route for GET and HEAD; other methods are told so. */
function get(app: FastifyInstance, url: string, handler: Handler): void {
  app.get(url, async (request, reply) => handler(request, guarded(reply)))
  app.route({
    method: app.supportedMethods.filter((method) => method !== 'GET' && method !== 'HEAD') as HTTPMethods[],
    url,
    // Before the body is read: nobody needs it.
    onRequest: async (_request, reply) =>
      guarded(reply)
        .code(405)
        .header('allow', 'GET, HEAD')
        .type('text/plain; charset=utf-8')
        .send('Allowed here: GET, HEAD.\n'),
    handler: (_request, reply) => reply.send(),
  })
}

const guarded = (reply: FastifyReply): FastifyReply =>
  reply.headers({
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'x-frame-options': 'DENY',
  })

function send(request: FastifyRequest, reply: FastifyReply, { bytes, type, etag }: Asset): FastifyReply {
  // Always asked for again, and mostly answered with nothing: a new version is there at once.
  reply.headers({ etag, 'cache-control': 'no-cache', 'content-type': type })
  const known = request.headers['if-none-match']?.split(',').map((each) => each.trim().replace(/^W\//, ''))
  return known?.includes(etag) || known?.includes('*') ? reply.code(304).send() : reply.send(bytes)
}

const nothing = (reply: FastifyReply): FastifyReply =>
  reply.code(404).type('text/plain; charset=utf-8').send('There is nothing here.\n')
