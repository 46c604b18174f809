// Runs one trial of one case or curve in a process of its own, and prints its figures as a line of JSON. run.mjs and
// curves.mjs start it with the same arguments as the C programs: trial.mjs CASE OBJECT NUMBER..., where CASE is the name
// of a case, curves/NAME, or curves/NAME:floor.
const [name, object, ...numbers] = process.argv.slice(2)
const [path, which = 'trial'] = name.split(':')
const module = await import(path.includes('/') ? `./${path}.mjs` : `./cases/${path}.mjs`)
console.log(JSON.stringify(await module[which](object, ...numbers.map(Number))))
