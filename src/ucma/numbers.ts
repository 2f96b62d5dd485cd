/** Objects by numbers, of which the lowest that is free is given: librdmacm's table of ids ends at 65535. */
export class Numbers<T> {
  private readonly objects = new Map<number, T>();
  private lowest = 0;

  get size(): number {
    return this.objects.size;
  }

  /** Makes an object for the lowest free number. */
  add(make: (number: number) => T): T {
    while (this.objects.has(this.lowest)) this.lowest++;
    const object = make(this.lowest);
    this.objects.set(this.lowest, object);
    return object;
  }

  get(number: number): T | undefined {
    return this.objects.get(number);
  }

  delete(number: number): void {
    if (this.objects.delete(number) && number < this.lowest) this.lowest = number;
  }
}
