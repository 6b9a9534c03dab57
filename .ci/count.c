/* A plugin for QEMU's user mode (qemu-aarch64 -plugin) that counts the executed instructions of a program by class. It
 * prints them at each getppid(): .ci/instructions calls that before and after each frame.
 *
 * The functions of qemu-plugin.h that it uses are declared here, in version 1 of the interface, since Debian has no
 * package with that header. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t Plugin;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_tb_trans_cb(Plugin id, void (*call)(Plugin, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *instruction, int add, void *to, uint64_t value);
void qemu_plugin_register_vcpu_syscall_cb(Plugin id, void (*call)(Plugin, unsigned int, int64_t, uint64_t, uint64_t,
                                                                  uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                                  uint64_t));

EXPORT int qemu_plugin_version = 1;

enum { GETPPID = 173 }; /* of aarch64's Linux */
enum { DOT, MULTIPLY, WIDEN, VECTOR, MEMORY, OTHER, CLASSES };
static uint64_t counts[CLASSES];

/* The class of an A64 instruction, by its encoding in the Arm Architecture Reference Manual, C4.1. */
static int class_of(uint32_t word) {
    uint32_t three_same = word & 0x9F20FC00, by_element = word & 0x9F00F400; /* without Q and U */
    if (three_same == 0x0E009400 || by_element == 0x0F00E000) return DOT;    /* SDOT, UDOT */
    if (three_same == 0x0E208000 || three_same == 0x0E20C000) return MULTIPLY; /* SMLAL, SMULL and unsigned */
    if (by_element == 0x0F002000 || by_element == 0x0F00A000) return MULTIPLY; /* the same by one lane */
    if ((word & 0x9F3FFC00) == 0x0E206800) return WIDEN;                      /* SADALP, UADALP */
    if ((word >> 25 & 7) == 7) return VECTOR; /* data processing, scalar floating point and advanced SIMD */
    if ((word >> 25 & 5) == 4) return MEMORY; /* loads and stores */
    return OTHER;
}

static void translated(Plugin id, struct qemu_plugin_tb *block) {
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint32_t word = *(const uint32_t *)qemu_plugin_insn_data(instruction);
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, 0, &counts[class_of(word)], 1);
    }
}

static void called(Plugin id, unsigned int cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number != GETPPID) return;
    fputs("counts", stderr);
    for (int i = 0; i < CLASSES; i++) fprintf(stderr, " %" PRIu64, counts[i]);
    fputc('\n', stderr);
}

EXPORT int qemu_plugin_install(Plugin id, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
