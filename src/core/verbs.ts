// The verbs, as functions that a host (the TypeScript API, uverbs) calls. Each checks all that can be checked without the
// driver, and fails with a VerbsError whose errno is what Linux and the libibverbs manual pages give.
export { checkAttr } from './qp-attr.ts';
export { checkTransition } from './qp-state.ts';
export * from './verbs-ah.ts';
export * from './verbs-context.ts';
export * from './verbs-cq.ts';
export * from './verbs-mcast.ts';
export * from './verbs-mr.ts';
export * from './verbs-mw.ts';
export * from './verbs-pd.ts';
export * from './verbs-qp.ts';
export * from './verbs-query.ts';
export * from './verbs-srq.ts';
