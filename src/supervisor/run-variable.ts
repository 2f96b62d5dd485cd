/** In the environment of the programs: the process id of the run that they are in. */
export const RUN_VARIABLE = 'INFINITIVE_RUN';
