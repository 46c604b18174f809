// Programs in which compilers inline much.

const c = `
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct item { double price; int count; char name[16]; };
static inline double tax(double price) { return price > 100 ? price * 0.19 : price * 0.07; }
static inline double total(const struct item* item) {
  double sum = item->price * item->count;
  return sum + tax(sum);
}
static int by_total(const void* a, const void* b) {
  double left = total(a), right = total(b);
  return left < right ? -1 : left > right;
}
static unsigned hash(const char* text) {
  unsigned h = 2166136261u;
  for (; *text; text++) h = (h ^ (unsigned char)*text) * 16777619u;
  return h;
}
struct table { struct item* slots[64]; };
static struct item** slot(struct table* table, const char* name) {
  unsigned at = hash(name) % 64;
  while (table->slots[at] && strcmp(table->slots[at]->name, name)) at = (at + 1) % 64;
  return &table->slots[at];
}
static void put(struct table* table, struct item* item) { *slot(table, item->name) = item; }
static struct item* get(struct table* table, const char* name) { return *slot(table, name); }
static int gcd(int a, int b) { return b == 0 ? a : gcd(b, a % b); }
static double root(double x) { double g = x / 2; for (int i = 0; i < 20; i++) g = (g + x / g) / 2; return g; }
__attribute__((noinline)) static double report(struct item* items, int count) {
  double sum = 0;
  for (int i = 0; i < count; i++) {
    if (items[i].count < 0) { fprintf(stderr, "%s\\n", items[i].name); abort(); }
    sum += total(&items[i]) + root(items[i].price) + sin(items[i].price) + gcd(items[i].count, 360);
    switch (items[i].count % 7) {
      case 0: sum += 1; break;
      case 1: sum *= 1.5; break;
      case 2: sum -= tax(sum); break;
      case 3: sum = fmod(sum, 1e6); break;
      case 4: printf("%f\\n", sum); break;
      default: sum += hash(items[i].name) % 10;
    }
  }
  return sum;
}
int main(int argc, char** argv) {
  int count = argc + 40;
  struct item* items = calloc(count, sizeof *items);
  struct table table = {0};
  for (int i = 0; i < count; i++) {
    items[i] = (struct item){ i * 13.7, i % 9, "" };
    snprintf(items[i].name, 16, "item %d", i);
    put(&table, &items[i]);
  }
  qsort(items, count, sizeof *items, by_total);
  struct item* one = get(&table, argc > 1 ? argv[1] : "item 3");
  printf("%f %s\\n", report(items, count), one ? one->name : "none");
}
`

const cpp = `
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>
namespace shop {
template <class T> class Till {
 public:
  void add(T value) { values_.push_back(value); std::push_heap(values_.begin(), values_.end()); }
  T sum() const { return std::accumulate(values_.begin(), values_.end(), T{}); }
  template <class F> void each(F f) const { for (const auto& value : values_) f(value); }
 private:
  std::vector<T> values_;
};
struct Animal { virtual ~Animal() = default; virtual std::string name() const = 0; };
struct Cat : Animal { std::string name() const override { return "cat " + std::to_string(lives); } int lives = 7; };
struct Dog : Animal { std::string name() const override { std::ostringstream s; s << "dog " << 3.5; return s.str(); } };
namespace {
struct Hidden { int operator()(int a, int b) const { return a * 31 + b; } };
int twice(int n) { struct Local { int n; int run() { return n * 2; } }; return Local{n}.run(); }
}
}
int main(int argc, char** argv) {
  shop::Till<double> prices;
  shop::Till<std::string> words;
  for (int i = 0; i < argc + 10; i++) { prices.add(i * 1.5); words.add("w" + std::to_string(shop::twice(i))); }
  std::map<std::string, std::vector<int>> index;
  std::unordered_map<int, std::unique_ptr<shop::Animal>> animals;
  words.each([&](const std::string& word) {
    auto& list = index[word.substr(0, 2)];
    list.push_back(static_cast<int>(word.size()));
    std::sort(list.begin(), list.end(), std::greater<>());
  });
  animals[1] = std::make_unique<shop::Cat>();
  animals[2] = std::make_unique<shop::Dog>();
  std::function<int(int, int)> mix = shop::Hidden{};
  int state = 1;
  for (auto& [key, list] : index) for (int n : list) state = mix(state, n);
  try {
    if (argc > 5) throw std::runtime_error("too many");
    for (auto& [key, animal] : animals) std::cout << key << animal->name() << '\\n';
  } catch (const std::exception& error) { std::cerr << error.what(); }
  std::cout << prices.sum() << words.sum() << state << std::endl;
}
`

const rust = `
use std::collections::{BTreeMap, HashMap};
use std::fmt;
#[derive(Debug, Clone)]
struct Item { name: String, price: f64, count: u32 }
trait Priced { fn total(&self) -> f64; }
impl Priced for Item {
    fn total(&self) -> f64 { self.price * f64::from(self.count) * 1.19 }
}
impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}: {:.2}", self.name, self.total()) }
}
mod deep { pub fn mix(a: u64, b: u64) -> u64 { (a ^ b).wrapping_mul(0x9e37_79b9).rotate_left(7) } }
fn parse(line: &str) -> Option<Item> {
    let mut parts = line.split(',').map(str::trim);
    let name = parts.next()?.to_owned();
    let price = parts.next()?.parse().ok()?;
    let count = parts.next()?.parse().ok()?;
    Some(Item { name, price, count })
}
fn main() {
    let lines: Vec<String> = (0..std::env::args().count() + 20).map(|i| format!("item {i}, {}.5, {}", i * 3, i % 7)).collect();
    let mut items: Vec<Item> = lines.iter().filter_map(|line| parse(line)).collect();
    items.sort_by(|a, b| b.total().partial_cmp(&a.total()).unwrap());
    let mut by_count: HashMap<u32, Vec<&Item>> = HashMap::new();
    for item in &items { by_count.entry(item.count).or_default().push(item); }
    let sums: BTreeMap<u32, f64> = by_count.iter().map(|(k, v)| (*k, v.iter().map(|i| i.total()).sum())).collect();
    let hash = items.iter().fold(1, |h, i| deep::mix(h, i.price.to_bits()));
    println!("{hash} {sums:?} {}", items[0]);
    std::thread::spawn(move || println!("{:?}", items.last())).join().unwrap();
}
`

export const sources = { c, 'c++': cpp, rust }
