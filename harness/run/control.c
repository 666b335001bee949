/* SPDX-License-Identifier: MIT */
/* The start line's memory: a memfd that workers inherit and onlookers can find. */
#include "run/control.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

struct control *control_create(size_t bytes, int *ret_fd)
{
	int fd = memfd_create(CONTROL_MEMFD, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct control *control = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (!ftruncate(fd, (off_t)bytes) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		control = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
			       0);
	if (control == MAP_FAILED) {
		close(fd);
		return NULL;
	}
	control->shape = CONTROL_SHAPE;
	*ret_fd = fd;
	return control;
}

void control_destroy(struct control *control, size_t bytes, int fd)
{
	munmap(control, bytes);
	close(fd);
}
