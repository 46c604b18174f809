// Runs one trial of one case in a process of its own, and prints its figures as a line of JSON. run.mjs starts it
// with the same arguments as the C programs: trial.mjs CASE OBJECT NUMBER...
const [name, object, ...numbers] = process.argv.slice(2)
const { trial } = await import(`./cases/${name}.mjs`)
console.log(JSON.stringify(await trial(object, ...numbers.map(Number))))
