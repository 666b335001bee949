/* SPDX-License-Identifier: MIT */
/*
 * Two looks into a shared object, for which the headers of elf(5) are enough: is
 * all of it there (the loader maps what the headers say, and dies of SIGBUS beyond
 * the file's end), and how was it compiled (the section .GCC.command.line, from
 * -frecord-gcc-switches of gcc and clang). Offsets are checked before use.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "lock/lock_file.h"

#define SECTION ".GCC.command.line"
#define FLAGS_MAX 4096u

struct elf {
	const unsigned char *bytes;
	size_t len;
};

static bool within(const struct elf *elf, uint64_t at, uint64_t len)
{
	return at <= elf->len && len <= elf->len - at;
}

static bool section_at(const struct elf *elf, const Elf64_Ehdr *head, uint64_t idx, Elf64_Shdr *ret)
{
	uint64_t at = head->e_shoff + idx * sizeof(*ret);

	if (head->e_shoff > elf->len || idx >= head->e_shnum || !within(elf, at, sizeof(*ret)))
		return false;
	memcpy(ret, elf->bytes + at, sizeof(*ret));
	return ret->sh_type == SHT_NOBITS || within(elf, ret->sh_offset, ret->sh_size);
}

static bool is_named(const struct elf *elf, const Elf64_Shdr *names, uint64_t at)
{
	return at < names->sh_size && names->sh_size - at >= sizeof(SECTION) &&
	       memcmp(elf->bytes + names->sh_offset + at, SECTION, sizeof(SECTION)) == 0;
}

/* Strings one after the other, one a file that was linked in: as one text. */
static char *as_text(const unsigned char *bytes, size_t len)
{
	char *text;
	size_t nr = 0;

	if (len > FLAGS_MAX)
		len = FLAGS_MAX;
	text = malloc(len + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] >= ' ' && bytes[i] < 127)
			text[nr++] = (char)bytes[i];
		else if (nr && text[nr - 1] != ' ')
			text[nr++] = ' ';
	}
	while (nr && text[nr - 1] == ' ')
		nr--;
	text[nr] = '\0';
	return text;
}

static bool is_elf64(const struct elf *elf, Elf64_Ehdr *ret)
{
	if (elf->len < sizeof(*ret))
		return false;
	memcpy(ret, elf->bytes, sizeof(*ret));
	return memcmp(ret->e_ident, ELFMAG, SELFMAG) == 0 && ret->e_ident[EI_CLASS] == ELFCLASS64;
}

const char *lock_elf_defect(const unsigned char *bytes, size_t len)
{
	struct elf elf = { bytes, len };
	Elf64_Phdr segment;
	Elf64_Ehdr head;

	if (!is_elf64(&elf, &head) || head.e_type != ET_DYN)
		return "not a 64-bit shared object";
	if (head.e_phentsize != sizeof(segment) ||
	    !within(&elf, head.e_phoff, (uint64_t)head.e_phnum * sizeof(segment)))
		return "cut short, or broken: its program headers are not there";
	for (uint64_t i = 0; i < head.e_phnum; i++) {
		memcpy(&segment, bytes + head.e_phoff + i * sizeof(segment), sizeof(segment));
		if (!within(&elf, segment.p_offset, segment.p_filesz))
			return "cut short: a segment ends beyond the file";
	}
	return NULL;
}

char *lock_elf_flags(const unsigned char *bytes, size_t len)
{
	struct elf elf = { bytes, len };
	Elf64_Shdr names, section;
	Elf64_Ehdr head;

	if (!is_elf64(&elf, &head) || head.e_shentsize != sizeof(section) ||
	    !section_at(&elf, &head, head.e_shstrndx, &names) || names.sh_type != SHT_STRTAB)
		return NULL;
	for (uint64_t i = 0; i < head.e_shnum; i++)
		if (section_at(&elf, &head, i, &section) && section.sh_type != SHT_NOBITS &&
		    section.sh_size && is_named(&elf, &names, section.sh_name))
			return as_text(bytes + section.sh_offset, section.sh_size);
	return NULL;
}
