/**
 * Who is there, and what each may do: narrow roles, rules that refuse and hold, an issuer of grants.
 */
import type { TestUsers } from '../../src/testing/options.js';

export const USERS: TestUsers = {
  alice: 'caller', // whom it is done to
  mallory: 'caller', // attacks; may call little
  boss: 'caller', // may call everything, and approves
  eve: 'caller', // weak
  clerk: 'caller', // has no role: lives on grants
  temp: 'caller', // the same
  ann: 'caller', // approves
  bob: 'caller', // approves
  lea: 'caller', // approves other things
  vera: 'viewer',
  judge: 'interceptor', // of a stage that nobody asks
  victim: 'agent',
  bank2: 'agent', // another one that could do the work of victim
  shop: 'agent', // strong: others ask it to act for them
  loop: 'agent', // calls itself when told to
  evil: 'agent', // attacks
  crony: 'agent', // attacks with evil
  carder: 'agent', // presents cards that are fine
};

export const POLICY = `version: 1
issuers:
  corp: {{corp}}
roles:
  all: { call: ['>'], mayRoot: true }
  buyer: { call: ['pay.>', 'shop.>', 'evil.>', 'crony.>', 'loop.>', 'body.>', 'strict.>', 'held.>'], mayRoot: true }
  little: { call: ['pay.out', 'pay.rule', 'evil.>', 'strict.>', 'body.>', 'held.>'], mayRoot: true }
  weak: { call: ['shop.>', 'pay.label'], mayRoot: true }
  finance: {}
  legal: {}
  bank: { serve: ['pay.>', 'strict.>', 'body.>', 'held.>'], call: ['stock.read'] }
  shop: { serve: ['shop.>', 'stock.>'], call: ['pay.>', 'stock.>', 'held.>'] }
  loop: { serve: ['loop.>'], call: ['loop.>'] }
  evil: { serve: ['evil.>'], call: ['pay.out', 'crony.>'] }
  crony: { serve: ['crony.>'], call: ['stock.read'] }
  carder: { serve: ['carder.>'] }
members:
  alice: [buyer]
  boss: [all, finance]
  mallory: [little]
  eve: [weak]
  clerk: []
  temp: []
  ann: [finance]
  bob: [finance]
  lea: [legal]
  victim: [bank, finance]
  bank2: [bank]
  shop: [shop, finance]
  loop: [loop]
  evil: [evil, finance]
  crony: [crony]
  carder: [carder]
rules:
  - name: no-gold
    match: { capability: ['pay.rule'] }
    when: args.currency == "XAU"
    effect: deny
  - name: little-only
    match: { capability: ['pay.rule'] }
    when: args.amount >= 1000
    effect: deny
  - name: costly
    match: { capability: ['pay.rule'] }
    when: has(args.list) && args.list.exists(a, args.list.exists(b, a > b + 1000.0))
    effect: deny
  - name: labelled
    match: { capability: ['pay.secret'], labels: { tenant: north } }
    effect: allow
    obligations: { keep: 'a year' }
  - name: not-for-eve
    match: { capability: ['pay.label'], from: [eve] }
    effect: deny
  - name: large
    match: { capability: ['held.one', 'held.card'] }
    effect: hold
    approvers: [finance]
  - name: two
    match: { capability: ['held.two'] }
    effect: hold
    approvers: [finance]
    count: 2
  - name: soon
    match: { capability: ['held.soon'] }
    effect: hold
    approvers: [finance]
    expires: 1s
`;
