// One trial of one case, in a process of its own: prints its figures as one line of JSON. run.mjs starts it as it
// starts the C programs: trial.mjs CASE OBJECT NUMBER...
const [name, object, ...numbers] = process.argv.slice(2)
const { trial } = await import(`./cases/${name}.mjs`)
console.log(JSON.stringify(await trial(object, ...numbers.map(Number))))
