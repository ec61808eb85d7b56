! A learned convection scheme, exported by closurax: the interface to closurax_convection.c.
!
! Profiles are (level, column), the lowest layer first; scalars are (column). All are contiguous
! single precision.
module closurax
  use, intrinsic :: iso_c_binding, only: c_char, c_f_pointer, c_float, c_int, c_loc, c_ptr
  implicit none
  private
  public :: convection_inputs, convection_outputs, allocate_inputs, allocate_outputs
  public :: call_convection, convection_levels, convection_message, convection_version

  ! What the scheme reads.
  type :: convection_inputs
@INPUT_ARRAYS@
  end type

  ! What it returns; without convection the tendencies are exactly zero.
  type :: convection_outputs
@OUTPUT_ARRAYS@
  end type

  ! As closurax_convection.h has them: one pointer for each array.
  type, bind(c) :: c_inputs
@INPUT_POINTERS@
  end type

  type, bind(c) :: c_outputs
@OUTPUT_POINTERS@
  end type

  integer, parameter :: wrong_shape = -1

  interface
    function c_convection(columns, levels, inputs, outputs) &
        bind(c, name="closurax_convection") result(code)
      import :: c_inputs, c_int, c_outputs
      integer(c_int), value :: columns, levels
      type(c_inputs), intent(in) :: inputs
      type(c_outputs), intent(in) :: outputs
      integer(c_int) :: code
    end function

    function c_levels() bind(c, name="closurax_convection_levels") result(levels)
      import :: c_int
      integer(c_int) :: levels
    end function

    function c_version() bind(c, name="closurax_convection_version") result(text)
      import :: c_ptr
      type(c_ptr) :: text
    end function

    function c_message(code) bind(c, name="closurax_convection_message") result(text)
      import :: c_int, c_ptr
      integer(c_int), value :: code
      type(c_ptr) :: text
    end function

    function c_length(text) bind(c, name="strlen") result(length)
      use, intrinsic :: iso_c_binding, only: c_ptr, c_size_t
      type(c_ptr), value :: text
      integer(c_size_t) :: length
    end function
  end interface

contains

  ! The convection in all columns; `code` is zero, or says what is wrong: `convection_message`.
  subroutine call_convection(inputs, outputs, code)
    type(convection_inputs), intent(in), target :: inputs
    type(convection_outputs), intent(inout), target :: outputs
    integer, intent(out) :: code
    type(c_inputs) :: read
    type(c_outputs) :: written
    integer :: columns, levels

    if (.not. allocated(inputs%air_pressure)) then
      code = wrong_shape
      return
    end if
    levels = size(inputs%air_pressure, 1)
    columns = size(inputs%air_pressure, 2)
    code = 0
@CHECKS@
    if (code /= 0) return
@LOCATIONS@
    code = int(c_convection(int(columns, c_int), int(levels, c_int), read, written))

  contains

    subroutine check_profile(profile)
      real(c_float), allocatable, intent(in) :: profile(:, :)
      if (.not. allocated(profile)) then
        code = wrong_shape
      else if (any(shape(profile) /= [levels, columns])) then
        code = wrong_shape
      end if
    end subroutine

    subroutine check_scalar(scalar)
      real(c_float), allocatable, intent(in) :: scalar(:)
      if (.not. allocated(scalar)) then
        code = wrong_shape
      else if (size(scalar) /= columns) then
        code = wrong_shape
      end if
    end subroutine
  end subroutine

  ! Arrays for `columns` columns.
  subroutine allocate_inputs(inputs, columns)
    type(convection_inputs), intent(out) :: inputs
    integer, intent(in) :: columns
    integer :: levels
    levels = convection_levels()
@ALLOCATE_INPUTS@
  end subroutine

  subroutine allocate_outputs(outputs, columns)
    type(convection_outputs), intent(out) :: outputs
    integer, intent(in) :: columns
    integer :: levels
    levels = convection_levels()
@ALLOCATE_OUTPUTS@
  end subroutine

  ! The number of levels that the scheme is for.
  function convection_levels() result(levels)
    integer :: levels
    levels = int(c_levels())
  end function

  ! The version of closurax that exported the scheme.
  function convection_version() result(text)
    character(len=:), allocatable :: text
    text = fortran_text(c_version())
  end function

  ! What a code of `call_convection` means, in one line.
  function convection_message(code) result(text)
    integer, intent(in) :: code
    character(len=:), allocatable :: text
    if (code == wrong_shape) then
      text = "an array is not allocated, or not (level, column) like air_pressure"
    else
      text = fortran_text(c_message(int(code, c_int)))
    end if
  end function

  function fortran_text(pointer) result(text)
    type(c_ptr), intent(in) :: pointer
    character(len=:), allocatable :: text
    character(kind=c_char), pointer :: characters(:)
    integer :: i
    call c_f_pointer(pointer, characters, [c_length(pointer)])
    allocate (character(len=size(characters)) :: text)
    do i = 1, size(characters)
      text(i:i) = characters(i)
    end do
  end function

end module
